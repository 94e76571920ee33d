"""Which steps repeat the latest call without a second thought: all but those where something changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgeseq import runtime
from tests import handmade
from tests.handmade import Handmade
from tests.runtime.test_snapshots import MADE, Load, arrays, inputs, opened


def delayed(delay: int) -> Handmade:
    """A convolution whose output lags: the leading frames that the graph gives are dropped."""
    made = handmade.causal_conv()
    x, y = made.contract.ports
    return made.with_contract(ports=(x, replace(y, delay=delay)), delay=delay)


def count(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The positions of streams at their general steps from here on."""
    general, places = runtime.Stream._general, []

    def counted(stream: runtime.Stream, frames: Any, out: Any) -> Any:
        places.append(stream.position)
        return general(stream, frames, out)

    monkeypatch.setattr(runtime.Stream, "_general", counted)
    return places


@pytest.mark.parametrize("delay", [0, 1, 2, 7])
def test_the_first_steps_and_those_after_reset(load: Load, monkeypatch: pytest.MonkeyPatch, delay: int) -> None:
    """A stream with look-ahead gives nothing at first, and looks closer only when its first frame is due."""
    stream, places = load(delayed(delay)).stream(), count(monkeypatch)
    x = inputs(handmade.causal_conv(), 12)["x"]
    for _ in range(3):
        found = [np.asarray(stream.step(x[:, i : i + 1])) for i in range(12)]
        assert [part.shape for part in found] == [(1, int(i >= delay), 2) for i in range(12)]
        stream.reset()
    # After the first step of all, a delay of one frame is over.
    assert places == {0: [0], 1: [0, 1, 1]}.get(delay, [0, delay, delay, delay])


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("size", [1, 2, 3])
def test_answers_are_those_of_general_steps(load: Load, monkeypatch: pytest.MonkeyPatch, name: str, size: int) -> None:
    model, x = load(MADE[name]), inputs(MADE[name], 24)
    stream, slow = opened(model), opened(model)
    for _ in range(2):
        for begin in range(0, 24, size):
            part = {port: array[:, begin : begin + size] for port, array in x.items()}
            slow._fast = None
            for got, wanted in zip(arrays(stream.step(part)), arrays(slow.step(part)), strict=True):
                np.testing.assert_array_equal(got, wanted)
        stream.reset()
        slow.reset()


@pytest.mark.parametrize("delay", [1, 3])
def test_an_early_step_into_a_place_of_ones_own(load: Load, delay: int) -> None:
    stream, x = load(delayed(delay)).stream(), np.ones((1, 1, 2), np.float32)
    none, one = np.empty((1, 0, 2), np.float32), np.empty((1, 1, 2), np.float32)
    for _ in range(3):
        for position in range(8):
            out = none if position < delay else one
            assert stream.step(x, out=out) is out
        stream.reset()


def test_a_tensor_of_another_dtype_does_not_end_it(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    stream, x = load(handmade.gru()).stream(), np.ones((1, 1, 4), np.float32)
    stream.step(x)
    with pytest.raises(ValueError, match="dtype"):
        stream.step(x.astype(np.float64))
    places = count(monkeypatch)
    stream.step(x)
    assert places == []
