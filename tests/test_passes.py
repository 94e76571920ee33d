"""Passes over a lowered graph: what it computes stays, what it takes falls."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
from onnx import parser

from edgeseq.exporters.passes import fewer_nodes
from edgeseq.exporters.passes.arrangement import identity

SIZES = {"b": 3, "t": 5}


def model_of(text: str) -> ir.Model:
    """A model with the shapes of its values written down."""
    proto = parser.parse_model(f'<ir_version: 10, opset_import: ["": 22]>\n{text}')
    return ir.serde.deserialize_model(onnx.shape_inference.infer_shapes(proto, strict_mode=True))


def run(model: ir.Model) -> list[np.ndarray]:
    proto = ir.serde.serialize_model(model)
    rng = np.random.default_rng(0)
    feeds = {
        value.name: rng.normal(size=[SIZES.get(d.dim_param, d.dim_value) for d in value.type.tensor_type.shape.dim])
        for value in proto.graph.input
    }
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    results: list[np.ndarray] = session.run(None, {name: array.astype(np.float32) for name, array in feeds.items()})
    return results


CASES = {
    "two transpositions that undo each other": (
        "g (float[b,t,4] x) => (float[b,t,4] y) { u = Transpose<perm=[1,0,2]>(x) y0 = Transpose<perm=[1,0,2]>(u)"
        " y = Relu(y0) }",
        ["Relu"],
    ),
    "past an op on every entry": (
        "g (float[b,t,4] x) => (float[b,t,4] y) { u = Transpose<perm=[1,0,2]>(x) v = Tanh(u)"
        " y = Transpose<perm=[1,0,2]>(v) }",
        ["Tanh"],
    ),
    "past a linear layer": (
        "g (float[b,t,2] x) => (float[b,t,3] y) <float[2,3] w = {1,2,3,4,5,6}, float[3] c = {1,2,3}> {"
        " u = Transpose<perm=[1,0,2]>(x) v = MatMul(u, w) s = Add(v, c) y = Transpose<perm=[1,0,2]>(s) }",
        ["MatMul", "Add"],
    ),
    "a product of matrices keeps the axes in front of it": (
        "g (float[b,t,2] x) => (float[t,b,3] y) <float[2,3] w = {1,2,3,4,5,6}> {"
        " u = Transpose<perm=[1,0,2]>(x) y = MatMul(u, w) }",
        ["Transpose", "MatMul"],
    ),
    "not past a linear layer over another axis": (
        "g (float[b,4,t] x) => (float[b,3,t] y) <float[4,3] w = {1,2,3,4,5,6,7,8,9,10,11,12}> {"
        " u = Transpose<perm=[0,2,1]>(x) v = MatMul(u, w) y = Transpose<perm=[0,2,1]>(v) }",
        ["Transpose", "MatMul", "Transpose"],
    ),
    "not past a sum along another axis": (
        "g (float[b,4,t] x) => (float[b,4,t] y) <float[4] c = {1,2,3,4}> {"
        " u = Transpose<perm=[0,2,1]>(x) v = Add(u, c) y = Transpose<perm=[0,2,1]>(v) }",
        ["Transpose", "Add", "Transpose"],
    ),
    "heads split and joined again": (
        "g (float[b,t,6] x) => (float[b,t,6] y) <int64[4] s = {0,0,2,3}, int64[3] j = {0,0,6}> {"
        " u = Reshape(x, s) v = Transpose<perm=[0,2,1,3]>(u) w = Transpose<perm=[0,2,1,3]>(v) z = Reshape(w, j)"
        " y = Relu(z) }",
        ["Relu"],
    ),
    "joined in another order they stay": (
        "g (float[b,t,6] x) => (float[b,t,6] y) <int64[4] s = {0,0,2,3}, int64[3] j = {0,0,6}> {"
        " u = Reshape(x, s) v = Transpose<perm=[0,1,3,2]>(u) y = Reshape(v, j) }",
        ["Reshape", "Transpose", "Reshape"],
    ),
    "packed queries, keys and values": (
        "g (float[b,t,6] x) => (float[t,b,2] q, float[t,b,2] k, float[t,b,2] v)"
        " <int64[4] s = {0,0,3,2}, int64 i0 = {0}, int64 i1 = {1}, int64 i2 = {2}> {"
        " u = Reshape(x, s) w = Transpose<perm=[2,1,0,3]>(u)"
        " q = Gather(w, i0) k = Gather(w, i1) v = Gather(w, i2) }",
        ["Split", "Transpose", "Transpose", "Transpose"],
    ),
    "what is returned twice has two values": (
        "g (float[b,t,4] x) => (float[b,t,4] y, float[b,t,4] z, float[b,t,4] same) {"
        " y = Relu(x) z = Identity(y) u = Transpose<perm=[1,0,2]>(x) same = Transpose<perm=[1,0,2]>(u) }",
        ["Relu", "Identity", "Identity"],
    ),
    "halves": (
        "g (float[b,8] x) => (float[b,4] y, float[b,4] z)"
        " <int64[1] o = {0}, int64[1] m = {4}, int64[1] e = {9223372036854775807}, int64[1] a = {1}> {"
        " y = Slice(x, o, m, a) z = Slice(x, m, e, a) }",
        ["Split"],
    ),
    "parts that are not halves": (
        "g (float[b,8] x) => (float[b,2] y, float[b,4] z)"
        " <int64[1] o = {0}, int64[1] n = {2}, int64[1] m = {4}, int64[1] e = {8}, int64[1] a = {1}> {"
        " y = Slice(x, o, n, a) z = Slice(x, m, e, a) }",
        ["Slice", "Slice"],
    ),
    "a reciprocal and a product": (
        "g (float[b,8] x) => (float[b,8] y) { s = Exp(x) r = Reciprocal(s) y = Mul(x, r) }",
        ["Exp", "Div"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_fewer_nodes_compute_the_same(name: str) -> None:
    text, ops = CASES[name]
    before, after = model_of(text), model_of(text)
    fewer_nodes(after)
    for wanted, got in zip(run(before), run(after), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-6)
    assert [node.op_type for node in after.graph] == ops


def test_reshapes_are_matched_with_pieces_of_axes() -> None:
    begun = identity((2, 6, 5))
    assert begun.reshaped((12, 5)) is not None
    assert begun.reshaped((4, 3, 5)) is not None  # 2 and 6 as 4 and 3: pieces of 2, 2 and 3
    assert identity((3, 4)).reshaped((2, 6)) is None  # 3 has no piece of 2


def test_axes_that_trade_places_are_not_taken_for_each_other() -> None:
    turned = identity((4, 4)).transposed((1, 0))
    assert turned.moves() == [("Transpose", (1, 0))]
    assert turned.transposed((1, 0)).kept


def test_a_deep_network_is_walked_without_recursion() -> None:
    lines = ["u0 = Transpose<perm=[1,0,2]>(x)", *(f"u{n + 1} = Tanh(u{n})" for n in range(1500))]
    text = f"g (float[b,t,4] x) => (float[b,t,4] y) {{ {' '.join(lines)} y = Transpose<perm=[1,0,2]>(u1500) }}"
    model = model_of(text)
    fewer_nodes(model)
    assert {node.op_type for node in model.graph} == {"Tanh"}
