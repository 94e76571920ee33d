"""Recurrent cells taken apart compute what onnxruntime's own do, before anything is rounded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from edgeseq.quantization import kernels
from edgeseq.quantization.configs import Scheme
from edgeseq.quantization.kernels import Kernel
from edgeseq.quantization.nodes import Nodes
from edgeseq.quantization.rewriting import rewrite
from edgeseq.quantization.sites import find_sites
from edgeseq.quantization.targets import TARGETS
from edgeseq.verification.arrays import Array
from tests.quantization.graphs import model, random, recurrent, run

KERNEL = Kernel(Scheme("rows", 8), TARGETS["x86-vnni"])
CELLS = [
    pytest.param(kind, direction, attributes, id=f"{kind}-{direction}{'-relu' if attributes else ''}")
    for kind, attributes in (("GRU", {}), ("LSTM", {}), ("RNN", {}), ("RNN", {"activations": ["Relu"]}))
    for direction in ("forward", "reverse", "bidirectional")
    if not (attributes and direction == "bidirectional")
]


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products in float32 in the place of those in integers."""

    def product(nodes: Nodes, x: ir.Value, matrix: Array, name: str, kernel: Kernel) -> ir.Value:
        return nodes.op("MatMul", [x, nodes.constant(matrix.T, name)])

    monkeypatch.setitem(kernels._PRODUCTS, "rows", product)


def states_of(kind: str, direction: str, batch: int = 3) -> dict[str, Array]:
    directions = 2 if direction == "bidirectional" else 1
    return {name: random(directions, batch, 16, seed=ord(name)) for name in (("h", "c") if kind == "LSTM" else ("h",))}


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize(("kind", "direction", "attributes"), CELLS)
def test_a_layer_in_a_loop_is_the_layer(kind: str, direction: str, attributes: dict[str, Any]) -> None:
    graph = recurrent(kind, direction, **attributes)
    inputs = {"x": random(7, 3, 80), **states_of(kind, direction)}
    wanted = run(graph, inputs)
    (site,) = find_sites(graph)[0]
    rewrite(graph, {site.name: KERNEL})
    assert kind not in {node.op_type for node in graph.graph}
    for name, array in run(graph, inputs).items():
        np.testing.assert_allclose(array, wanted[name], atol=2e-6, err_msg=name)


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize(("kind", "direction", "attributes"), CELLS)
def test_a_layer_of_one_frame_needs_no_loop(kind: str, direction: str, attributes: dict[str, Any]) -> None:
    graph = recurrent(kind, direction, **attributes)
    inputs = {"x": random(1, 3, 80), **states_of(kind, direction)}
    wanted = run(graph, inputs)
    (site,) = find_sites(graph)[0]
    rewrite(graph, {site.name: KERNEL}, one_frame=True)
    assert "Scan" not in {node.op_type for node in graph.graph}
    for name, array in run(graph, inputs).items():
        np.testing.assert_allclose(array, wanted[name], atol=2e-6, err_msg=name)


@pytest.mark.usefixtures("exact")
def test_another_bias_is_noticed() -> None:
    graph = recurrent("GRU", "forward")
    inputs = {"x": random(7, 3, 80), **states_of("GRU", "forward")}
    wanted = run(graph, inputs)["y"]
    (site,) = find_sites(graph)[0]
    assert site.layer is not None
    direction = site.layer.directions[0]
    wrong = replace(site.layer, directions=(replace(direction, bias=direction.bias[::-1].copy()),))
    nodes = Nodes(graph, site.name)
    nodes.place(site.node, wrong.write(nodes, KERNEL, one_frame=False))
    assert np.abs(run(graph, inputs)["y"] - wanted).max() > 0.01


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ({"clip": 3.0}, "a clip of its own"),
        ({"activations": ["Sigmoid", "Relu"]}, "activations of its own"),
        ({"linear_before_reset": 0}, "its reset lies before the product"),
    ],
)
def test_what_torch_does_not_make_stays_in_float(attributes: dict[str, Any], why: str) -> None:
    graph = recurrent("GRU", "forward")
    node = next(iter(graph.graph))
    for name, value in attributes.items():
        node.attributes.add(ir.convenience.convert_attribute(name, value))
    sites, left = find_sites(graph)
    assert not sites
    assert why in left[0].why


def test_a_state_that_the_node_makes_itself_stays_in_float() -> None:
    graph = recurrent("GRU", "forward")
    next(iter(graph.graph)).replace_input_with(5, None)
    assert "a state of its own making" in find_sites(graph)[1][0].why


def test_small_weights_are_no_site() -> None:
    assert find_sites(model([], {}, {}, {"w": random(4, 4)})) == ([], [])
