"""Tiny ONNX graphs, written byte by byte, to find out what onnxruntime can do at best on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from edgeseq.runtime.devices import Array
from edgeseq.wire import field

FLOAT, UINT8, INT8, INT32 = 1, 2, 3, 6  # TensorProto.DataType
_TYPES = {"float32": FLOAT, "uint8": UINT8, "int8": INT8}


def identity() -> bytes:
    """One node that copies one number: what is left of a step when there is nothing to do."""
    node = field(1, _node("Identity", ["x"], "y"))
    return _model(node, [_value("x", FLOAT, (1,))], _value("y", FLOAT, (1,)))


def chain(count: int) -> bytes:
    """``count`` nodes in a row that each negate one number: as little as a node can do, and nothing to be left out."""
    names = ["x", *(f"v{index}" for index in range(count - 1)), "y"]
    nodes = b"".join(field(1, _node("Neg", [x], y)) for x, y in pairwise(names))
    return _model(nodes, [_value("x", FLOAT, (1,))], _value("y", FLOAT, (1,)))


def product(rows: int, weights: Array) -> bytes:
    """``x[rows, inner] @ weights[inner, columns]``; whole numbers where the weights are int8, x being uint8 then."""
    inner, columns = weights.shape
    whole = weights.dtype == np.int8
    node = field(1, _node("MatMulInteger" if whole else "MatMul", ["x", "w"], "y"))
    x = _value("x", UINT8 if whole else FLOAT, (rows, inner))
    y = _value("y", INT32 if whole else FLOAT, (rows, columns))
    return _model(node, [x], y, _tensor("w", weights))


def _model(nodes: bytes, inputs: Sequence[bytes], output: bytes, weights: bytes | None = None) -> bytes:
    """A ModelProto: ir_version 1, graph 7, opset_import 8. GraphProto: node 1, name 2, initializer 5, ends 11, 12."""
    graph = nodes + field(2, "g") + (field(5, weights) if weights else b"")
    graph += b"".join(field(11, value) for value in inputs) + field(12, output)
    return field(1, 8) + field(7, graph) + field(8, field(1, "") + field(2, 17))


def _node(op: str, inputs: Sequence[str], output: str) -> bytes:
    """A NodeProto: input 1, output 2, op_type 4."""
    return b"".join(field(1, name) for name in inputs) + field(2, output) + field(4, op)


def _value(name: str, kind: int, shape: Sequence[int]) -> bytes:
    """A ValueInfoProto: name 1, type 2 > tensor_type 1 > elem_type 1, shape 2 > dim 1 > dim_value 1."""
    dims = b"".join(field(1, field(1, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, kind) + field(2, dims)))


def _tensor(name: str, array: Array) -> bytes:
    """A TensorProto: dims 1, data_type 2, name 8, raw_data 9."""
    dims = b"".join(field(1, size) for size in array.shape)
    return dims + field(2, _TYPES[str(array.dtype)]) + field(8, name) + field(9, array.tobytes())
