"""Passes over the lowered graph. Each keeps what the graph computes; each says what it needs and what it leaves."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

#: Matrices with fewer elements are not worth a node.
_SHARED_FROM = 1024


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


def share_weights(model: ir.Model) -> None:
    """Keep one copy of what a model ties: equal initializers, and a matrix that is another one transposed.

    The exporter folds the transposition of a linear layer's weight, so that an embedding tied to the last layer would
    lie in the file twice. A Transpose of the one that stays takes its place; onnxruntime folds that when it loads.
    """
    kept: dict[tuple[tuple[int, ...], bytes], ir.Value] = {}
    for value in sorted(_weights(model), key=lambda value: str(value.name).startswith("val_")):
        array = value.const_value.numpy()  # type: ignore[union-attr]
        twin = kept.setdefault(_content(array), value)
        other = kept.get(_content(array.T)) if array.ndim == 2 and twin is value else None
        if twin is not value:
            _replace(model, value, twin)
        elif other is not None and other is not value:
            del kept[_content(array)]
            _replace(model, value, _transposed(model, other, value))


def drop_notes(model: ir.Model) -> None:
    """Remove what the exporter notes on graphs, nodes and values for its own diagnosis.

    Its stack traces name files of the machine that exports: they would make the bytes of a file depend on where edgeseq
    is installed, and take as much room as a small model's weights. Names, shapes and types stay.
    """
    scopes: list[ir.Graph | ir.Function] = [model.graph, *model.functions.values()]
    for scope in scopes:
        _bare(scope)
        for value in [*scope.inputs, *getattr(scope, "initializers", {}).values()]:
            _bare(value)
        for node in ir.traversal.RecursiveGraphIterator(scope):
            for item in (node, node.graph, *node.outputs):
                _bare(item)


def _bare(item: Any) -> None:
    item.metadata_props.clear()
    item.doc_string = None


def _weights(model: ir.Model) -> list[ir.Value]:
    found = [value for value in model.graph.initializers.values() if value.const_value is not None]
    return [
        value
        for value in found
        if value.dtype == ir.DataType.FLOAT and value.const_value.size >= _SHARED_FROM  # type: ignore[union-attr]
    ]


def _content(array: np.ndarray[Any, Any]) -> tuple[tuple[int, ...], bytes]:
    return array.shape, hashlib.sha256(np.ascontiguousarray(array).data).digest()


def _transposed(model: ir.Model, matrix: ir.Value, like: ir.Value) -> ir.Value:
    node = ir.node("Transpose", [matrix], attributes={"perm": [1, 0]}, name=f"{like.name}.shared")
    made = node.outputs[0]
    made.name, made.shape, made.type = f"{like.name}.shared", like.shape, like.type
    model.graph.insert_before(model.graph[0], node)
    return made


def _replace(model: ir.Model, value: ir.Value, other: ir.Value) -> None:
    ir.convenience.replace_all_uses_with(value, other)
    assert value.name is not None
    del model.graph.initializers[value.name]


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
