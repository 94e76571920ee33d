"""A verified float file in fewer bits: what can be quantized, how, what it costs, and whether the laws still hold.

No torch: the float ONNX file is the input.
"""

from __future__ import annotations

from edgeseq.requirements import not_installed

try:
    from edgeseq.quantization.configs import KINDS, Config, Float16, Int4Weights, Int8Dynamic, Int8Static, Int8Weights
    from edgeseq.quantization.quantizing import Quantized, quantize
    from edgeseq.quantization.report import Report
    from edgeseq.quantization.tuning import Tuned, tune
    from edgeseq.quantization.verifying import verify_quantized
    from edgeseq.verification.task import Task
except ModuleNotFoundError as error:
    raise not_installed(
        error, ("onnx_ir", "onnx", "ml_dtypes"), "quantizing needs onnx and onnx-ir", "quantize"
    ) from None

__all__ = [
    "KINDS",
    "Config",
    "Float16",
    "Int4Weights",
    "Int8Dynamic",
    "Int8Static",
    "Int8Weights",
    "Quantized",
    "Report",
    "Task",
    "Tuned",
    "quantize",
    "tune",
    "verify_quantized",
]
