"""PyTorch in, ONNX out: capture, streaming rules, lowering, verification."""

from __future__ import annotations

from edgeseq.exporters.exporting import Exported, export
from edgeseq.exporters.modes import Exact
from edgeseq.exporters.verification import Verification, verify

__all__ = ["Exact", "Exported", "Verification", "export", "verify"]
