"""The parts of edgeseq that commands load when they run, and a clear word where what they need is not installed."""

from __future__ import annotations

import importlib
from types import ModuleType

from edgeseq.errors import EdgeseqError

_EXPORT = ("torch", "onnx", "onnxscript")


def exporters() -> ModuleType:
    """``edgeseq.exporters``; EdgeseqError where PyTorch or onnx is missing."""
    try:
        return importlib.import_module("edgeseq.exporters")
    except ModuleNotFoundError as error:
        if error.name not in _EXPORT:
            raise
        raise EdgeseqError(
            "exporting and verifying need PyTorch and onnx",
            why=f"{error.name} is not installed",
            do="install them with: pip install 'edgeseq[export]'",
        ) from None


def runtime() -> ModuleType:
    """``edgeseq.runtime``; it says itself where onnxruntime is missing."""
    return importlib.import_module("edgeseq.runtime")
