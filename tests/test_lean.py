"""Step graphs beside the same steps written by hand: as many nodes, or hardly more; nothing is computed twice over."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

import onnx
import pytest
from onnx import helper

from benchmarks.lean import MOST, Pair, difference, page, pair, row
from benchmarks.lean_models import MODELS, POSITIONS

_CACHED = ("gpt", "gpt_by_hand", "encoder")
#: Graphs that only the thorough run counts.
_LONG = ("llama", "sliding", "mean", "denoiser")
_EACH = [pytest.param(name, marks=[pytest.mark.thorough] if name in _LONG else []) for name in MODELS]
made = lru_cache(pair)


def ops(graph: onnx.GraphProto) -> Counter[str]:
    return Counter(node.op_type for node in graph.node)


def constant_nodes(graph: onnx.GraphProto) -> list[str]:
    """The nodes that no input of the graph reaches."""
    known, found = {"", *(item.name for item in graph.initializer)}, []
    for node in graph.node:
        if known.issuperset(node.input):
            known.update(node.output)
            found.append(node.op_type)
    return found


def over_pairs(graph: onnx.GraphProto) -> list[str]:
    """The values with two axes that grow with the frames of a call, beside the batch."""
    found = []
    for value in graph.value_info:
        axes = [axis.dim_param for axis in value.type.tensor_type.shape.dim if axis.dim_param]
        if len(axes) > 2 and "capacity" not in axes:
            found.append(value.name)
    return found


@pytest.mark.parametrize("name", _EACH)
def test_a_step_takes_hardly_more_nodes_than_by_hand_and_computes_the_same(name: str) -> None:
    steps = made(name)
    assert difference(steps) < 1e-5
    assert len(steps.exported.graph.node) <= MOST * len(steps.by_hand.graph.node)


@pytest.mark.parametrize("name", _EACH)
def test_no_node_computes_a_constant(name: str) -> None:
    assert constant_nodes(made(name).exported.graph) == []


def test_a_node_that_computes_a_constant_is_found() -> None:
    value = helper.make_tensor("one", onnx.TensorProto.FLOAT, [1], [1.0])
    nodes = [helper.make_node("Neg", ["one"], ["minus"]), helper.make_node("Add", ["x", "minus"], ["y"])]
    assert constant_nodes(helper.make_graph(nodes, "g", [], [], [value])) == ["Neg"]


def test_two_steps_that_differ_are_told_apart() -> None:
    steps = made("gru")
    other = onnx.ModelProto()
    other.CopyFrom(steps.by_hand)
    next(node for node in other.graph.node if node.op_type == "GRU").attribute[-1].i = 0  # linear_before_reset
    assert difference(Pair(steps.exported, other, 1)) > 1e-3


def test_a_gru_is_its_node_and_its_layout() -> None:
    assert ops(made("gru").exported.graph) == {"Transpose": 2, "GRU": 1, "Squeeze": 1}


def test_a_normed_weight_is_computed_at_export() -> None:
    assert set(ops(made("tcn").exported.graph)) == {"Concat", "Slice", "Conv", "Relu", "Add"}


def test_packed_projections_take_no_transpositions_and_no_positions() -> None:
    found = ops(made("encoder").exported.graph)
    assert found["GroupQueryAttention"] == 2
    assert not found.keys() & {"Transpose", "Reshape", "Range", "Gather"}


def test_both_spellings_of_attention_become_one_step() -> None:
    assert ops(made("gpt").exported.graph) == ops(made("gpt_by_hand").exported.graph)


@pytest.mark.parametrize("name", _CACHED)
def test_a_cached_attention_holds_no_mask(name: str) -> None:
    graph = made(name).exported.graph
    assert over_pairs(graph) == []
    assert not [tensor.name for tensor in graph.initializer if list(tensor.dims).count(POSITIONS) > 1]


def test_a_mask_over_pairs_is_found() -> None:
    assert over_pairs(made("sliding").exported.graph)


def test_the_page_holds_a_line_per_model() -> None:
    assert page([row("gru")]).endswith("| GRU, batch first | 4 | 4 | 1.00 | 0e+00 |\n")
