"""What the contract tells of a stream's memory is what a stream then holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from edgeseq import runtime
from edgeseq.contract import State
from edgeseq.runtime.budget import grows, held_bytes
from tests import handmade
from tests.golden.contracts import ATTENTION

MADE = {
    "gru": handmade.gru(),
    "centred conv": handmade.centred_conv(),
    "conv then sum": handmade.centred_conv_then_sum(),
    "left context": handmade.left_context(),
    "strided": handmade.strided_conv(),
    "no state": handmade.embedding(),
}


@pytest.mark.parametrize("name", MADE)
def test_a_stream_holds_what_was_told(name: str, load: Callable[[handmade.Handmade], runtime.Model]) -> None:
    model = load(MADE[name])
    assert held_bytes(model.contract) == model.stream().state_bytes
    assert held_bytes(model.contract, 1000) == model.stream(max_context=1000).state_bytes


@pytest.mark.parametrize("frames", [1, 10, 300, 1000])
@pytest.mark.parametrize("limit", [None, 1000])
def test_a_cache_holds_what_was_told(
    frames: int, limit: int | None, load: Callable[[handmade.Handmade], runtime.Model]
) -> None:
    model = load(handmade.attention(limit))
    assert held_bytes(model.contract, frames) == model.stream(max_context=frames).state_bytes


def test_a_cache_without_a_length_is_not_known() -> None:
    assert any(grows(state) for state in ATTENTION.states)
    assert held_bytes(ATTENTION) is None
    assert held_bytes(ATTENTION, 1) is not None


def test_a_dynamic_axis_is_not_known() -> None:
    state = State("m", "m", "m.next", "recurrent", "float32", ("batch", "source"))
    assert held_bytes(replace(ATTENTION, states=(state,)), 10) is None
