"""Two nodes that one does. Needs constants as initializers; leaves values within a rounding of what they were."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass


def fold_idioms(model: ir.Model) -> None:
    """Rewrite every node that one of ``_IDIOMS`` knows."""
    for node in list(model.graph):
        fold = _IDIOMS.get(node.op_type) if node.domain in ("", "ai.onnx") else None
        if fold is not None:
            fold(node)
    RemoveUnusedNodesPass()(model)


def _quotient(node: ir.Node) -> None:
    """``x * (1 / y)`` is ``x / y``, which onnxruntime also knows as a part of an RMS norm."""
    for x, inverse in (tuple(node.inputs), tuple(reversed(node.inputs))):
        maker = inverse.producer() if inverse is not None else None
        if maker is not None and maker.op_type == "Reciprocal" and maker.domain in ("", "ai.onnx"):
            _replace(node, ir.node("Div", [x, maker.inputs[0]]))
            return


def _halves(node: ir.Node) -> None:
    """Both halves of an axis, each cut out, are a split."""
    source, own = node.inputs[0], _half(node)
    if source is None or own is None or own[1] != 0:
        return
    for use in source.uses():
        if use.node.graph is node.graph and _half(use.node) == (own[0], 1):
            split = ir.node("Split", [source], {"axis": own[0], "num_outputs": 2}, num_outputs=2)
            _first(node, use.node).prepend(split)
            for made, old in zip(split.outputs, (node.outputs[0], use.node.outputs[0]), strict=True):
                _take_place(made, old)
            return


def _half(node: ir.Node) -> tuple[int, int] | None:
    """The axis of which a slice cuts out one half, and which."""
    if node.op_type != "Slice" or node.domain not in ("", "ai.onnx") or len(node.inputs) < 4:
        return None
    numbers = [_number(value) for value in node.inputs[1:]]
    shape = node.inputs[0].shape if node.inputs[0] is not None else None
    if None in numbers or shape is None or (len(numbers) == 4 and numbers[3] != 1):
        return None
    first, end, axis = numbers[0], numbers[1], numbers[2] % len(shape)  # type: ignore[operator]
    size = shape[axis]
    if not isinstance(size, int) or size % 2 or size == 0:
        return None
    halves = {(0, size // 2): 0, (size // 2, size): 1}
    found = halves.get((first, min(end, size)))  # type: ignore[arg-type, type-var]
    return None if found is None else (axis, found)


def _number(value: ir.Value | None) -> int | None:
    """A number that is known."""
    if value is None or value.const_value is None or value.const_value.size != 1:
        return None
    return int(value.const_value.numpy().reshape(()))


def _first(node: ir.Node, other: ir.Node) -> ir.Node:
    graph = node.graph
    assert graph is not None
    return next(item for item in graph if item is node or item is other)


def _replace(node: ir.Node, fresh: ir.Node) -> None:
    node.prepend(fresh)
    _take_place(fresh.outputs[0], node.outputs[0])


def _take_place(made: ir.Value, old: ir.Value) -> None:
    made.shape, made.type, made.name = old.shape, old.type, old.name
    ir.convenience.replace_all_uses_with(old, made, replace_graph_outputs=True)


_IDIOMS: dict[str, Callable[[ir.Node], None]] = {"Mul": _quotient, "Slice": _halves}
