"""Silero VAD as its package has it: the ONNX file, and the wrapper that everybody steps it with.

The package asks for torch alone; torchaudio, which its helpers for sound files take, is an extra of its own.
"""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

#: The package is not a dependency of edgeseq, only of its tests.
MISSING = "needs the package silero-vad"


def model_file() -> Path | None:
    """``silero_vad.onnx`` of the installed package, found without importing it; None where there is none."""
    try:
        files = importlib.metadata.files("silero-vad") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    found = [Path(str(file.locate())) for file in files if file.name == "silero_vad.onnx"]
    return found[0] if found and found[0].is_file() else None


def wrapper(path: Path) -> Any:
    """The package's own ``OnnxWrapper`` over a file; it takes torch tensors, and torch then has one thread."""
    import torch
    from silero_vad.utils_vad import OnnxWrapper

    torch.set_num_threads(1)
    return OnnxWrapper(str(path), force_onnx_cpu=True)
