"""Products with a quantized matrix: one function per kernel, all of them ``x [..., inputs]`` to ``[..., outputs]``.

No row of ``x`` changes another: scales are those of the row, of a group within it, or constants.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from edgeseq.errors import UsageError
from edgeseq.quantization.configs import KernelName, Scheme
from edgeseq.quantization.nodes import MICROSOFT, Nodes
from edgeseq.quantization.rounding import Grouped, group_of, grouped, per_output
from edgeseq.quantization.targets import Target
from edgeseq.verification.arrays import Array

#: The least maximum of a row: below it a row is silence.
_SILENCE = np.float32(1e-30)


@dataclass(frozen=True)
class Seen:
    """What calibration saw of the inputs of products, by name: the largest magnitude, and ``x^T x`` where asked for."""

    highest: Mapping[str, float] = field(default_factory=dict)
    gram: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Kernel:
    """A scheme, the processor that it is for, and what calibration saw."""

    scheme: Scheme
    target: Target
    seen: Seen = field(default_factory=Seen)

    def fixed_scale(self, name: str) -> np.float32:
        """The scale by the largest magnitude that calibration saw under ``name``; UsageError where it saw nothing."""
        highest = self.seen.highest.get(name)
        if highest is None:
            raise UsageError(f"calibration saw nothing of {name}", do="give data on which it runs")
        return np.float32((highest or 1.0) / 127)

    def product(self, nodes: Nodes, x: ir.Value, matrix: Array, name: str) -> ir.Value:
        """``x`` times ``matrix`` ``[outputs, inputs]``, transposed; ``name`` tells it from others of the node."""
        return _PRODUCTS[self.scheme.kernel](nodes, x, matrix, name, self)


def blocks(nodes: Nodes, x: ir.Value, matrix: Array, name: str, kernel: Kernel) -> ir.Value:
    """MatMulNBits, which quantizes ``x`` to 8 bits inside, each row in groups (``accuracy_level`` 4)."""
    stored = stored_in_groups(matrix, f"{nodes.prefix}.{name}", kernel)
    weights = nodes.constant(stored.packed(), f"{name}.weights")
    scales = nodes.constant(stored.scales, f"{name}.scales")
    outputs, inputs = matrix.shape
    sizes = {"K": inputs, "N": outputs, "bits": stored.bits, "block_size": stored.weights.shape[-1]}
    inputs = [x, weights, scales]
    if kernel.target.zero_points and stored.bits == 4:
        inputs.append(nodes.constant(stored.packed_zeros(), f"{name}.zeros"))
    return nodes.op("MatMulNBits", inputs, MICROSOFT, accuracy_level=4, **sizes)


def stored_in_groups(matrix: Array, name: str, kernel: Kernel, *, filled: bool = True) -> Grouped:
    """The matrix in the groups of a kernel's scheme, rounded as that says; ``filled`` as in :func:`group_of`."""
    scheme = kernel.scheme
    gram = kernel.seen.gram.get(name) if scheme.rounding == "calibrated" else None
    return grouped(matrix, scheme.bits, group_of(matrix.shape[1], scheme.group, scheme.bits, filled=filled), gram)


def rows(nodes: Nodes, x: ir.Value, matrix: Array, name: str, kernel: Kernel) -> ir.Value:
    """MatMulInteger on rows that are scaled by their largest magnitude, unsigned with 128 for zero.

    Signed activations would take a kernel of onnxruntime that is slower on x86 than float (docs/quantized.md).
    """
    highest = nodes.op("ReduceMax", [nodes.op("Abs", [x]), nodes.axes(-1)], keepdims=1)
    highest = nodes.op("Max", [highest, nodes.shared(_SILENCE, "silence")])
    integers = _unsigned(nodes, nodes.op("Div", [x, highest]), np.float32(1 / 127), "unit")
    sums, scales = _sums(nodes, integers, matrix, name, kernel)
    return nodes.op(
        "Mul", [nodes.op("Mul", [sums, highest]), nodes.constant(scales / np.float32(127), f"{name}.scales")]
    )


def fixed(nodes: Nodes, x: ir.Value, matrix: Array, name: str, kernel: Kernel) -> ir.Value:
    """MatMulInteger with one scale for ``x``, by the largest magnitude that calibration saw."""
    scale = kernel.fixed_scale(f"{nodes.prefix}.{name}")
    integers = _unsigned(nodes, x, scale, f"{nodes.prefix}.{name}")
    sums, scales = _sums(nodes, integers, matrix, name, kernel)
    return nodes.op("Mul", [sums, nodes.constant(scales * scale, f"{name}.scales")])


def _unsigned(nodes: Nodes, x: ir.Value, scale: np.float32, name: str) -> ir.Value:
    zero = nodes.shared(np.uint8(128), "zero")
    return nodes.op("QuantizeLinear", [x, nodes.shared(scale, f"scale.{name}"), zero])


def _sums(nodes: Nodes, integers: ir.Value, matrix: Array, name: str, kernel: Kernel) -> tuple[ir.Value, Array]:
    """The product in integers, as float32, and the scales of the matrix ``[outputs]``."""
    stored = per_output(matrix, kernel.target.largest)
    weights = nodes.constant(stored.weights.T, f"{name}.weights")
    product = nodes.op("MatMulInteger", [integers, weights, nodes.shared(np.uint8(128), "zero")])
    return nodes.op("Cast", [product], to=ir.DataType.FLOAT), stored.scales


_PRODUCTS: Mapping[KernelName, Callable[[Nodes, ir.Value, Array, str, Kernel], ir.Value]] = {
    "blocks": blocks,
    "rows": rows,
    "fixed": fixed,
}
