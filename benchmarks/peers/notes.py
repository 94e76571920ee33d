"""Why an engine is better than edgeseq on a figure, written by hand.

A note is either supported by a measurement, which it names, or begins with "A guess:".
"""

from __future__ import annotations

OWN_MODULES = (
    "edgeseq's part of its own import is what it takes above onnxruntime session.run, whose only import is onnxruntime."
)
MEMORY = "The table of engines has what is resident after the imports alone: most of the gap is there already."
CONTRACT = "edgeseq makes the session that session.run makes, and reads and checks the file's contract and digest."

#: (engine, kind of network or ``*``, figure or its mode) to the reason.
NOTES = {
    ("session_run", "*", "import_ns"): "The gap is edgeseq's own modules: it imports onnxruntime too.",
    ("session_run", "*", "load_ns"): CONTRACT,
    (
        "session_run",
        "*",
        "peak_rss_bytes",
    ): "The gap is edgeseq's own modules and its buffers: the session is the same.",
    ("session_run", "*", "bytes"): "The gap is edgeseq and click: edgeseq needs onnxruntime too.",
    ("litert", "*", "import_ns"): OWN_MODULES,
    ("litert", "*", "peak_rss_bytes"): MEMORY,
    ("litert", "*", "load_ns"): f"{CONTRACT} A guess for the rest: LiteRT's file is laid out as it is used, and maps.",
    ("litert", "*", "bytes"): "Its package takes 61 MB, onnxruntime 69 MB; numpy is most of the rest of both.",
    ("litert", "RNN", "back_to_back"): (
        "onnxruntime's RNN op is slower than the products it stands for: the last section has the same network written"
        " out in products, on onnxruntime."
    ),
    ("litert", "*", "back_to_back"): (
        "The last section tells what surrounds the kernels from the kernels. A guess for the kernels: XNNPACK packs the"
        " weights for a product of one row, onnxruntime for one of many."
    ),
    ("litert", "*", "paced"): "As back to back; a paced step finds its caches cold, so fewer bytes of code help.",
    ("executorch_xnnpack", "*", "back_to_back"): "The products are XNNPACK's, as in LiteRT.",
    ("executorch_xnnpack", "*", "load_ns"): f"{CONTRACT} A guess for the rest: the program was planned when exported.",
    ("ncnn", "*", "import_ns"): OWN_MODULES,
    ("ncnn", "*", "peak_rss_bytes"): MEMORY,
    (
        "ncnn",
        "*",
        "load_ns",
    ): f"{CONTRACT} A guess for the rest: ncnn reads a file of layers, and optimizes none of it.",
    ("ncnn", "*", "bytes"): "Its package takes 29 MB, onnxruntime 69 MB; numpy is most of the rest of both.",
    ("genai", "*", "import_ns"): OWN_MODULES,
    ("genai", "*", "back_to_back"): (
        "The graph and its kernels are edgeseq's own file, so the gap is the loop: genai keeps the loop in C++."
    ),
    ("genai", "*", "peak_rss_bytes"): "The session is that of edgeseq's file, the gap is Python modules.",
    ("torch_eager", "*", "load_ns"): "Weights are read into a module: there is no graph to optimize.",
    (
        "torch_eager",
        "GPT",
        "back_to_back",
    ): "The last section has both profiles: products and attention of PyTorch beside those of onnxruntime.",
    (
        "torch_compile",
        "GPT",
        "back_to_back",
    ): "The last section has both profiles: products and attention of PyTorch beside those of onnxruntime.",
}


def note(engine: str, kind: str, what: str) -> str:
    """The reason, the most particular there is; that none is known, where none is."""
    mode = what.split()[0]
    tried = [(engine, kind, what), (engine, kind, mode), (engine, "*", what), (engine, "*", mode)]
    return next((NOTES[given] for given in tried if given in NOTES), "Why is not known.")


#: What may lie behind a gap beside what was measured of it, by kind of network.
CLOSING = {
    "GPT": "A guess: the run alone stays at one position and its caches stay warm, a stream's step moves on, so that a"
    " part of what is counted as edgeseq's is memory.",
}
