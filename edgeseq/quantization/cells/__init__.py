"""Recurrent cells taken apart into products, so that these can be quantized: onnxruntime has no quantized GRU or RNN.

A layer is the input's gates for all frames at once, then a Scan over them, or, where a call holds one frame, one step.
"""

from __future__ import annotations

from edgeseq.quantization.cells.layer import Layer, layer_of

__all__ = ["Layer", "layer_of"]
