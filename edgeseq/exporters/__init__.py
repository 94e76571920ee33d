"""PyTorch in, ONNX out: capture, streaming rules, lowering, quantization, verification."""

from __future__ import annotations

from edgeseq.exporters.surroundings import missing_package

try:
    from edgeseq.exporters.diagnosis.diagnose import Diagnosis, diagnose
    from edgeseq.exporters.explaining import explain
    from edgeseq.exporters.exporting import Exported, export
    from edgeseq.exporters.modes import Exact, Lookahead, Sequence, Window
    from edgeseq.exporters.modes.reading import parse_mode
    from edgeseq.exporters.verification import Verification, verify
    from edgeseq.quantization import Float16, Int4Weights, Int8Dynamic, Int8Static, Int8Weights, quantize
except ModuleNotFoundError as error:
    raise missing_package(error) from None

__all__ = [
    "Diagnosis",
    "Exact",
    "Exported",
    "Float16",
    "Int4Weights",
    "Int8Dynamic",
    "Int8Static",
    "Int8Weights",
    "Lookahead",
    "Sequence",
    "Verification",
    "Window",
    "diagnose",
    "explain",
    "export",
    "parse_mode",
    "quantize",
    "verify",
]
