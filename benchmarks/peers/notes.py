"""Why an engine is better than edgeseq on a figure, written by hand.

A note is either supported by a measurement, which it names, or begins with "A guess:".
"""

from __future__ import annotations

#: (engine, kind of network or ``*``, figure or its first word) to the reason.
NOTES = {
    ("session_run", "*", "import_ns"): "edgeseq imports onnxruntime too, and its own modules on top.",
    ("session_run", "*", "load_ns"): "edgeseq loads the same session, and reads and checks the file's contract.",
    ("session_run", "*", "peak_rss_bytes"): "It holds the same session without edgeseq's modules.",
    ("session_run", "*", "bytes"): "edgeseq is onnxruntime and numpy, and click, and itself.",
}


def note(engine: str, kind: str, what: str) -> str:
    """The reason, the most particular there is; that none is known, where none is."""
    mode = what.split()[0]
    tried = [(engine, kind, what), (engine, kind, mode), (engine, "*", what), (engine, "*", mode)]
    return next((NOTES[given] for given in tried if given in NOTES), "Why is not known.")


#: What would close the gap to the fastest engine, by kind of network.
CLOSING = {"RNN": "", "LSTM": "", "GRU": "", "GPT": ""}
