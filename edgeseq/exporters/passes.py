"""Passes over the lowered graph. Each keeps what the graph computes; each says what it needs and what it leaves."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass


def drop_returning_reshapes(model: ir.Model) -> None:
    """Remove chains of reshapes that end in the shape they began with.

    Attention splits features into heads and its fused op joins them again. Needs symbolic shapes on the values; leaves
    nothing that computes less.
    """
    for node in list(model.graph):
        if node.op_type != "Reshape" or node.domain not in ("", "ai.onnx"):
            continue
        result = node.outputs[0]
        origin = _same_shape_upstream(node)
        if origin is None or result.is_graph_output():
            continue
        ir.convenience.replace_all_uses_with(result, origin)
    RemoveUnusedNodesPass()(model)


def _same_shape_upstream(node: ir.Node) -> ir.Value | None:
    """The first value of the chain of reshapes that ends in ``node``, if one has the shape that ``node`` makes."""
    wanted = _known_shape(node.outputs[0])
    current: ir.Node | None = node
    found = None
    while wanted is not None and current is not None and current.op_type == "Reshape":
        source = current.inputs[0]
        if source is None:
            break
        if _known_shape(source) == wanted:
            found = source
        current = source.producer()
    return found


def _known_shape(value: ir.Value) -> tuple[int | str, ...] | None:
    if value.shape is None:
        return None
    sizes = tuple(size if isinstance(size, int) else size.value for size in value.shape)
    return None if any(size is None for size in sizes) else sizes  # type: ignore[return-value]
