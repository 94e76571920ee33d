"""How a model streams, module by module, or why it does not: every reason, what it costs, and pictures of it.

The way in is :func:`edgeseq.exporters.diagnose`.
"""
