"""Nodes that no torch module here makes: what would be computed otherwise than in float stays in float."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from onnx import helper

from edgeseq.quantization.configs import Float16, Scheme
from edgeseq.quantization.kernels import Kernel
from edgeseq.quantization.planning import scheme_of
from edgeseq.quantization.rewriting import rewrite
from edgeseq.quantization.sites import find_sites
from edgeseq.quantization.targets import TARGETS
from edgeseq.verification.arrays import Array
from tests.quantization.graphs import model, random, recurrent, run

EIGHT = Kernel(Scheme("blocks", 8, 128), TARGETS["x86-vnni"])
HALF = Kernel(Scheme("half", 16), TARGETS["x86-vnni"])


def why(graph: ir.Model) -> str:
    sites, (left,) = find_sites(graph)
    assert not sites
    return left.why


@pytest.mark.parametrize(
    ("kind", "activations"),
    [
        pytest.param("GRU", ["Tanh", "Sigmoid"], id="the usual ones in another order"),
        pytest.param("LSTM", ["Sigmoid", "Tanh", "Sigmoid"], id="a usual one in another place"),
        pytest.param("RNN", ["LeakyRelu"], id="one with a number"),
    ],
)
def test_other_activations(kind: str, activations: list[str]) -> None:
    assert why(recurrent(kind, "forward", activations=activations)) == "it has activations of its own"


def with_value(value: float) -> ir.Model:
    """A product one of whose weights has this value."""
    weights = random(64, 32).copy()
    weights[3, 5] = value
    return model([helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": ["n", 64]}, {"y": ["n", 32]}, {"w": weights})


def computed_bias(kind: str, inputs: list[str], sizes: dict[str, Any], **attributes: Any) -> ir.Model:
    nodes = [
        helper.make_node("Mul", ["louder", "b"], ["bias"]),
        helper.make_node(kind, inputs, ["y"], **attributes),
    ]
    weights: dict[str, Array] = {name: random(*sizes[name]) for name in ("w", "r", "b") if name in sizes}
    ends = {"x": sizes["x"], "louder": [1]} | ({"h": [1, 2, 16]} if kind == "GRU" else {})
    return model(nodes, ends, {"y": [None] * (4 if kind == "GRU" else 3)}, weights)


def test_a_bias_that_is_computed() -> None:
    gates = {"x": [7, 2, 80], "w": (1, 48, 80), "r": (1, 48, 16), "b": (1, 96)}
    inputs = ["x", "w", "r", "bias", "", "h"]
    assert why(computed_bias("GRU", inputs, gates, hidden_size=16, linear_before_reset=1)).startswith("its bias")
    taps = {"x": [2, 32, 20], "w": (40, 32, 3), "b": (40,)}
    assert why(computed_bias("Conv", ["x", "w", "bias"], taps)).startswith("its bias")


def test_weights_with_more_axes_than_what_they_multiply() -> None:
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    graph = model([node], {"x": ["rows", 64]}, {"y": [1, "rows", 32]}, {"w": random(1, 64, 32)})
    assert "more axes" in why(graph)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(value: float) -> None:
    assert why(with_value(value)) == "its weights hold NaN or infinities"


def test_numbers_too_large_for_float16() -> None:
    (site,) = find_sites(with_value(60_000))[0]
    assert isinstance(scheme_of(Float16(), site), Scheme)
    (site,) = find_sites(with_value(1e30))[0]
    assert scheme_of(Float16(), site) == "its numbers are too large for float16"


def shared() -> ir.Model:
    """Three products behind each other with the same weights, the last of them transposed."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="first"),
        helper.make_node("MatMul", ["a", "w"], ["b"], name="second"),
        helper.make_node("Transpose", ["w"], ["turned"], perm=[1, 0]),
        helper.make_node("MatMul", ["b", "turned"], ["y"], name="third"),
    ]
    return model(nodes, {"x": ["rows", 64]}, {"y": ["rows", 64]}, {"w": random(64, 64) / 8})


def large(graph: ir.Model) -> list[int]:
    """Bytes of every constant that is no scale."""
    held = [value.const_value for value in graph.graph.initializers.values()]
    return sorted(tensor.nbytes for tensor in held if tensor is not None and tensor.nbytes > 1024)


def test_weights_that_several_nodes_share_are_stored_once() -> None:
    graph = shared()
    rewrite(graph, dict.fromkeys(("first", "second"), EIGHT))
    assert large(graph) == [64 * 64, 64 * 64 * 4]  # the third reads the float one
    graph = shared()
    rewrite(graph, dict.fromkeys(("first", "second", "third"), HALF))
    assert large(graph) == [64 * 64 * 2]


@pytest.mark.parametrize("kept", ["first", "second", "third"])
def test_a_node_that_stays_in_float_keeps_weights_that_others_have_in_half(kept: str) -> None:
    graph, x = shared(), {"x": random(3, 64, seed=4)}
    rewrite(graph, {name: HALF for name in ("first", "second", "third") if name != kept})
    assert large(graph) == [64 * 64 * 2, 64 * 64 * 4]
    wanted, got = run(shared(), x)["y"], run(graph, x)["y"]
    assert 0 < np.abs(got - wanted).max() < 0.01 * np.abs(wanted).max()
    (node,) = (node for node in graph.graph if node.name == kept)
    weights = node.inputs[1].producer().inputs[0] if kept == "third" else node.inputs[1]  # type: ignore[union-attr]
    assert weights is graph.graph.initializers["w"]


def test_names_are_told_apart_from_those_of_another_graph() -> None:
    graph = shared()
    names = [site.name for site in find_sites(graph, ["first", "first#2", "third"])[0]]
    assert names == ["first#3", "second", "third#2"]
