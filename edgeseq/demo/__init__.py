"""The demo: a GRU and a GPT of the same size, trained, exported, verified, streamed and compared in about a minute.

``demo`` is the whole; ``play`` is the part that runs without torch, in a process of its own.
"""
