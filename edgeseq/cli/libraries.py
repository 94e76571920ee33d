"""The parts of edgeseq that commands load when they run; what they need and lack they say themselves."""

from __future__ import annotations

import importlib
from types import ModuleType


def exporters() -> ModuleType:
    """``edgeseq.exporters``; it says itself where PyTorch or onnx is missing."""
    return importlib.import_module("edgeseq.exporters")


def quantization() -> ModuleType:
    """``edgeseq.quantization``; it says itself where onnx-ir is missing."""
    return importlib.import_module("edgeseq.quantization")


def runtime() -> ModuleType:
    """``edgeseq.runtime``; it says itself where onnxruntime is missing."""
    return importlib.import_module("edgeseq.runtime")
