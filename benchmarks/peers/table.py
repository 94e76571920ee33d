"""The engines that are compared, in the order of the tables."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
#: Ignored by git; one virtual environment per peer that needs one.
ENVIRONMENTS = ROOT / ".venv-peers"

NETWORKS = ("RNN", "LSTM", "GRU", "GPT")


@dataclass(frozen=True)
class Engine:
    """``module`` is in ``benchmarks.peers.engines``; ``kinds`` are the cases it is tried on.

    ``environment`` is None for the project's own, and ``install`` is what pip puts into it otherwise. ``packages`` are
    what a step needs at run time; their size on disk, dependencies included, is the engine's.
    """

    name: str
    module: str
    packages: tuple[str, ...]
    kinds: tuple[str, ...] = NETWORKS
    environment: str | None = None
    install: tuple[str, ...] = ()

    def python(self) -> Path:
        """The interpreter that runs it."""
        return Path(sys.executable) if self.environment is None else ENVIRONMENTS / self.environment / "bin" / "python"


ENGINES = {
    engine.module: engine
    for engine in (
        Engine("edgeseq", "edgeseq", ("edgeseq", "onnxruntime"), (*NETWORKS, "Silero")),
        Engine("onnxruntime session.run", "session_run", ("onnxruntime", "numpy")),
        Engine("PyTorch eager", "torch_eager", ("torch", "numpy")),
        Engine("torch.compile", "torch_compile", ("torch", "numpy")),
        Engine("OpenVINO, states outside", "openvino_explicit", ("openvino",), NETWORKS, "openvino", ("openvino",)),
        Engine("OpenVINO, states inside", "openvino_stateful", ("openvino",), NETWORKS, "openvino", ("openvino",)),
        Engine(
            "ExecuTorch, XNNPACK",
            "executorch_xnnpack",
            ("executorch", "torch"),
            NETWORKS,
            "executorch",
            ("executorch",),
        ),
        Engine("LiteRT", "litert", ("ai-edge-litert",), NETWORKS, "litert", ("litert-torch",)),
        Engine("ncnn", "ncnn", ("ncnn",), NETWORKS, "ncnn", ("ncnn", "pnnx")),
        Engine(
            "onnxruntime-genai",
            "genai",
            ("onnxruntime-genai", "onnxruntime"),
            ("GPT",),
            "genai",
            ("onnxruntime-genai",),
        ),
        Engine("silero-vad OnnxWrapper", "silero_wrapper", ("silero-vad", "onnxruntime"), ("Silero",)),
    )
}
