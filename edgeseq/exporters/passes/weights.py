"""Tied weights lie in the file once. Needs nothing; leaves a Transpose where one weight is another one transposed."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import onnx_ir as ir

#: Matrices with fewer elements are not worth a node.
_SHARED_FROM = 1024


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
