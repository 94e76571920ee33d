"""A verified float file in fewer bits: what can be quantized, how, what it costs, and whether the laws still hold.

No torch: the float ONNX file is the input.
"""

from __future__ import annotations

from edgeseq.quantization.configs import KINDS, Config, Float16, Int4Weights, Int8Dynamic, Int8Static, Int8Weights
from edgeseq.quantization.quantizing import Quantized, quantize
from edgeseq.quantization.task import Task

__all__ = [
    "KINDS",
    "Config",
    "Float16",
    "Int4Weights",
    "Int8Dynamic",
    "Int8Static",
    "Int8Weights",
    "Quantized",
    "Task",
    "quantize",
]
