"""The demo: a GRU and a GPT of the same size, streamed and compared.

``run.shipped`` takes the two models that come with edgeseq and needs no torch; ``run.trained`` makes them anew first:
trained, exported, verified. Both end in ``play``, which streams them without torch, and ``report``.
"""
