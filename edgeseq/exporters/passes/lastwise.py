"""Ops that treat all axes but the last alike, or all entries: how they run on an operand whose axes lie otherwise."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

_ENTRYWISE = frozenset(
    ["Abs", "Cast", "Ceil", "Clip", "Cos", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish"]
)
_ENTRYWISE |= {"LeakyRelu", "Log", "Mish", "Neg", "Not", "Reciprocal", "Relu", "Selu", "Sigmoid", "Sign", "Sin"}
_ENTRYWISE |= {"Softplus", "Softsign", "Sqrt", "Tanh", "ThresholdedRelu"}
_PAIRWISE = frozenset(["Add", "Sub", "Mul", "Div", "Pow", "Max", "Min"])
#: An op, its operands (``made``: what the node before gave) and its attributes.
Emitted = tuple[str, list[Any], dict[str, Any]]


@dataclass(frozen=True)
class Lastwise:
    """What to emit in place of a node, on ``operand``'s source; ``last_only``: the last axis has to be the last."""

    operand: ir.Value
    last_only: bool
    nodes: list[Emitted]


def lastwise(node: ir.Node, put_off: Any | None) -> Lastwise | None:
    """How a node may run on the source of an operand in ``put_off``; None where it may not.

    Without ``put_off`` any operand that is not a constant may be one.
    """
    if node.domain not in ("", "ai.onnx"):
        return None
    find = _FORMS.get(node.op_type)
    if find is None:
        return None
    return find(node, _Everything() if put_off is None else put_off)


class _Everything:
    """Stands for operands not known yet: all are taken to lie alike."""

    def __contains__(self, value: object) -> bool:
        return isinstance(value, ir.Value) and value.const_value is None

    def __getitem__(self, value: ir.Value) -> tuple[None, None]:
        return None, None


def _entrywise(node: ir.Node, put_off: Any) -> Lastwise | None:
    operand, *rest = _given(node)
    if operand not in put_off or not all(map(_scalar, rest)):
        return None
    return Lastwise(operand, False, [_same(node)])


def _pairwise(node: ir.Node, put_off: Any) -> Lastwise | None:
    if len(node.inputs) != 2:
        return None
    left, right = _given(node)
    for operand, other in ((left, right), (right, left)):
        if operand in put_off and other.const_value is not None:
            along = _along_last(other)
            return Lastwise(operand, not _scalar(other), [_same(node)]) if along else None
    if left in put_off and right in put_off and put_off[left][1] == put_off[right][1]:
        return Lastwise(left, False, [_same(node)])
    return None


def _normalised(node: ir.Node, put_off: Any) -> Lastwise | None:
    return _along(node, put_off, node.attributes.get_int("axis", -1))


def _split(node: ir.Node, put_off: Any) -> Lastwise | None:
    return _along(node, put_off, node.attributes.get_int("axis", 0), last=True)


def _along(node: ir.Node, put_off: Any, axis: int, *, last: bool = False) -> Lastwise | None:
    operand, *rest = _given(node)
    if operand not in put_off or operand.shape is None:
        return None
    if axis not in (-1, operand.shape.rank() - 1) or any(item.const_value is None for item in rest):
        return None
    op, inputs, attributes = _same(node)
    return Lastwise(operand, True, [(op, inputs, {**attributes, "axis": -1})])


def _matmul(node: ir.Node, put_off: Any) -> Lastwise | None:
    operand, matrix = _given(node)
    if operand not in put_off or not _is_matrix(matrix):
        return None
    return Lastwise(operand, True, [_same(node)])


def _gemm(node: ir.Node, put_off: Any) -> Lastwise | None:
    """As a product and a sum, which take any number of axes."""
    operand, matrix, *rest = _given(node)
    bias = rest[0] if rest else None
    numbers = [node.attributes.get_float(name, 1.0) for name in ("alpha", "beta")]
    plain = numbers == [1.0, 1.0] and not node.attributes.get_int("transA", 0)
    if operand not in put_off or not _is_matrix(matrix) or not plain or (bias is not None and not _along_last(bias)):
        return None
    turned = (
        _turned(matrix) if node.attributes.get_int("transB", 0) and not isinstance(put_off, _Everything) else matrix
    )
    nodes: list[Emitted] = [("MatMul", [operand, turned], {})]
    return Lastwise(operand, True, [*nodes, ("Add", ["made", bias], {})] if bias is not None else nodes)


def constant(name: str, array: np.ndarray[Any, Any]) -> ir.Value:
    """A value that is known, to be registered as an initializer."""
    tensor = ir.tensor(array, name=name)
    return ir.Value(name=name, const_value=tensor, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype))


def _turned(matrix: ir.Value) -> ir.Value:
    array = np.ascontiguousarray(matrix.const_value.numpy().T)  # type: ignore[union-attr]
    return constant(f"{matrix.name}.turned", array)


def _given(node: ir.Node) -> list[ir.Value]:
    return [value for value in node.inputs if value is not None]


def _same(node: ir.Node) -> Emitted:
    return node.op_type, list(node.inputs), dict(node.attributes)


def _is_matrix(value: ir.Value) -> bool:
    return value.const_value is not None and value.const_value.shape.rank() == 2


def _scalar(value: ir.Value) -> bool:
    return value.const_value is not None and value.const_value.size == 1 and value.const_value.shape.rank() <= 1


def _along_last(value: ir.Value) -> bool:
    """True for a constant that varies along the last axis at most."""
    return value.const_value is not None and value.const_value.shape.rank() <= 1


_FORMS: dict[str, Callable[[ir.Node, Container[Any]], Lastwise | None]] = {
    **dict.fromkeys(_ENTRYWISE, _entrywise),
    **dict.fromkeys(_PAIRWISE, _pairwise),
    **dict.fromkeys(["LayerNormalization", "Softmax", "LogSoftmax"], _normalised),
    "Split": _split,
    "MatMul": _matmul,
    "Gemm": _gemm,
}
