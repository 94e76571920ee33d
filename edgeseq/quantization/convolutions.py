"""Convolutions along time in fewer bits: as one product over what each frame of output sees, or as QLinearConv."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeseq.quantization.kernels import Kernel
from edgeseq.quantization.nodes import Nodes, array_of
from edgeseq.quantization.rounding import per_output
from edgeseq.verification.arrays import Array

#: The end of a slice that goes as far as there is.
_ALL = np.iinfo(np.int64).max


@dataclass(frozen=True)
class Convolution:
    """A Conv node with weights ``[outputs, inputs, taps]``; ``plain`` where it can be a product.

    That is one group, one axis, and no padding of its own: in a step what comes before a frame is a state.
    """

    node: ir.Node
    weights: Array
    plain: bool

    @property
    def matrix(self) -> Array:
        """The weights as ``[outputs, taps * inputs]``."""
        return np.ascontiguousarray(np.moveaxis(self.weights, 1, -1).reshape(len(self.weights), -1))

    def windows(self, nodes: Nodes) -> ir.Value:
        """What each frame of output sees: ``[batch, inputs, time]`` to ``[batch, time, taps * inputs]``."""
        taps, x = self.weights.shape[2], self._x
        seen = x if taps == 1 and self._stride == 1 else self._joined(nodes, x, taps)
        return nodes.op("Transpose", [seen], perm=[0, 2, 1])

    def write(self, nodes: Nodes, kernel: Kernel) -> ir.Value:
        """The convolution in other nodes."""
        if kernel.scheme.kernel == "fixed":
            return self._integers(nodes, kernel)
        product = kernel.product(nodes, self.windows(nodes), self.matrix, "product")
        if self._bias is not None:
            product = nodes.op("Add", [product, self._bias])
        return nodes.op("Transpose", [product], perm=[0, 2, 1])

    def _joined(self, nodes: Nodes, x: ir.Value, taps: int) -> ir.Value:
        dilation, stride, axis = self._first("dilations"), self._stride, nodes.axes(2)
        parts = []
        for tap in range(taps):
            end = -(taps - 1 - tap) * dilation or _ALL
            ends = [
                nodes.shared(np.array([place], np.int64), f"place.{place}") for place in (tap * dilation, end, stride)
            ]
            parts.append(nodes.op("Slice", [x, ends[0], ends[1], axis, ends[2]]))
        return nodes.op("Concat", parts, axis=1)

    def _integers(self, nodes: Nodes, kernel: Kernel) -> ir.Value:
        """QLinearConv with scales of calibration for what goes in and what comes out."""
        scales = [
            nodes.constant(kernel.fixed_scale(f"{nodes.prefix}.{end}"), f"{end}_scale") for end in ("input", "output")
        ]
        zero = nodes.shared(np.uint8(128), "zero")
        stored = per_output(self.weights.reshape(len(self.weights), -1), kernel.target.largest)
        inputs = [nodes.op("QuantizeLinear", [self._x, scales[0], zero]), scales[0], zero]
        inputs += [
            nodes.constant(stored.weights.reshape(self.weights.shape), "weights"),
            nodes.constant(stored.scales, "scales"),
            nodes.constant(np.zeros(len(stored.scales), np.int8), "zeros"),
            scales[1],
            zero,
        ]
        bias = array_of(self._bias)
        if bias is not None:
            step = stored.scales.astype(np.float64) * float(array_of(scales[0]))  # type: ignore[arg-type]
            inputs.append(nodes.constant(np.clip(np.round(bias / step), -(2**31), 2**31 - 1).astype(np.int32), "bias"))
        result = nodes.op("QLinearConv", inputs)
        result.producer().attributes.update(self.node.attributes)  # type: ignore[union-attr]
        return nodes.op("DequantizeLinear", [result, scales[1], zero])

    @property
    def _x(self) -> ir.Value:
        value = self.node.inputs[0]
        assert value is not None
        return value

    @property
    def _bias(self) -> ir.Value | None:
        return self.node.inputs[2] if len(self.node.inputs) > 2 else None

    @property
    def _stride(self) -> int:
        return self._first("strides")

    def _first(self, name: str) -> int:
        values = self.node.attributes.get_ints(name)
        return int(values[0]) if values else 1


def convolution_of(node: ir.Node) -> Convolution | str:
    """The convolution that a Conv node is, or why it stays as it is."""
    weights = array_of(node.inputs[1])
    if weights is None:
        return "its weights are computed in the graph"
    if len(node.inputs) > 2 and node.inputs[2] is not None and array_of(node.inputs[2]) is None:
        return "its bias is computed in the graph"
    pads = node.attributes.get_ints("pads") or ()
    padded = any(pads) or node.attributes.get_string("auto_pad", "NOTSET") not in ("NOTSET", "VALID")
    return Convolution(node, weights, weights.ndim == 3 and node.attributes.get_int("group", 1) == 1 and not padded)
