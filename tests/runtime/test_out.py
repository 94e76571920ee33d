"""``out=`` without a copy: an array that comes again and again is what the graph writes to."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

from edgeseq import runtime
from edgeseq.errors import ProviderError, ShapeError
from tests import handmade
from tests.handmade import Handmade
from tests.runtime.test_snapshots import MADE, Array, Load, inputs, opened

NAMES = ["gru", "causal_conv", "left_context", "attention"]


def frames_of(made: Handmade, time: int) -> list[Array]:
    x = inputs(made, time)["x"]
    return [x[:, i : i + 1].copy() for i in range(time)]


def plain(model: runtime.Model, frames: list[Array]) -> list[Array]:
    stream = model.stream()
    return [np.array(stream.step(frame)) for frame in frames]


def bound(stream: runtime.Stream) -> Array | None:
    assert stream._fast is not None
    return stream._fast.bound


@pytest.mark.parametrize("name", NAMES)
def test_the_same_array_is_written_by_the_graph(load: Load, name: str) -> None:
    model, frames = load(MADE[name]), frames_of(MADE[name], 12)
    wanted, stream = plain(model, frames), model.stream()
    out = np.empty_like(wanted[0])
    for number, frame in enumerate(frames):
        out[...] = np.nan
        assert stream.step(frame, out=out) is out
        np.testing.assert_array_equal(out, wanted[number])
        assert (bound(stream) is out) == (number >= 2)  # the first step is not repeated, the second shows it once


def test_an_answer_of_ones_own_is_asked_for_in_between(load: Load) -> None:
    made = handmade.gru()
    model, frames = load(made), frames_of(made, 12)
    wanted, stream, out = plain(model, frames), model.stream(), np.empty((1, 1, 8), np.float32)
    for number, frame in enumerate(frames):
        answer = stream.step(frame, out=out if number % 4 else None)
        assert (answer is out) == bool(number % 4)
        np.testing.assert_array_equal(answer, wanted[number])


def test_two_arrays_that_take_turns(load: Load) -> None:
    made = handmade.gru()
    model, frames = load(made), frames_of(made, 12)
    wanted, stream = plain(model, frames), model.stream()
    outs = [np.empty((1, 1, 8), np.float32) for _ in range(2)]
    for number, frame in enumerate(frames):
        stream.step(frame, out=outs[number % 2])
        np.testing.assert_array_equal(outs[number % 2], wanted[number])
        if number:
            np.testing.assert_array_equal(outs[1 - number % 2], wanted[number - 1])


def test_the_caller_may_write_to_it_between_steps(load: Load) -> None:
    """It is the caller's: a state that is the same value as the output lies elsewhere."""
    made = handmade.gru()
    model, frames = load(made), frames_of(made, 12)
    wanted, stream, out = plain(model, frames), model.stream(), np.empty((1, 1, 8), np.float32)
    for number, frame in enumerate(frames):
        np.testing.assert_array_equal(stream.step(frame, out=out), wanted[number])
        out[...] = 1e9


def test_it_may_lie_in_the_frames_that_are_given(load: Load) -> None:
    made = handmade.causal_conv()
    model, frames = load(made), frames_of(made, 12)
    wanted, stream, place = plain(model, frames), model.stream(), np.empty((1, 1, 2), np.float32)
    for number, frame in enumerate(frames):
        place[...] = frame
        np.testing.assert_array_equal(stream.step(place, out=place), wanted[number])


def test_an_array_that_was_changed_in_place_is_looked_at_again(load: Load) -> None:
    made = handmade.gru()
    model, frames = load(made), frames_of(made, 9)
    wanted, stream, out = plain(model, frames), model.stream(), np.empty((1, 1, 8), np.float32)
    for frame in frames[:6]:
        stream.step(frame, out=out)
    with pytest.raises(ValueError, match="resize"):
        out.resize((1, 2, 8))
    out.flags.writeable = False
    with pytest.raises(ShapeError, match="must be C-contiguous and writable"):
        stream.step(frames[6], out=out)
    out.flags.writeable = True
    out.shape = (1, 8, 1)
    with pytest.raises(ShapeError, match="does not fit"):
        stream.step(frames[6], out=out)
    out.shape = (1, 1, 8)
    for number in range(6, 9):
        np.testing.assert_array_equal(stream.step(frames[number], out=out), wanted[number])


def test_an_array_whose_memory_is_unaligned_is_copied_to(load: Load) -> None:
    made = handmade.gru()
    model, frames = load(made), frames_of(made, 8)
    wanted, stream = plain(model, frames), model.stream()
    out = np.frombuffer(bytearray(33), np.uint8)[1:].view(np.float32).reshape(1, 1, 8)
    assert not out.flags.aligned
    for number, frame in enumerate(frames):
        np.testing.assert_array_equal(stream.step(frame, out=out), wanted[number])
        assert bound(stream) is None


def test_it_outlives_its_name_and_not_the_stream(load: Load) -> None:
    stream, out = load(handmade.gru()).stream(), np.empty((1, 1, 8), np.float32)
    gone = weakref.ref(out)
    for _ in range(6):
        stream.step(np.zeros((1, 1, 4), np.float32), out=out)
    del out
    gc.collect()
    stream.step(np.zeros((1, 1, 4), np.float32))
    stream.close()
    del stream
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("what", ["run", "bind"])
def test_a_failure_leaves_the_stream_where_it_was(load: Load, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    made = handmade.gru()
    model, frames = load(made), frames_of(made, 9)
    wanted, stream = plain(model, frames), model.stream()
    bound_before, fresh = np.empty((1, 1, 8), np.float32), np.empty((1, 1, 8), np.float32)
    for out, frame in zip([bound_before] * 4 + [fresh], frames, strict=False):
        stream.step(frame, out=out)

    def fail(*given: object) -> None:
        raise RuntimeError("on purpose")

    with monkeypatch.context() as patch:
        patch.setattr(*((stream._feeder, "run", fail) if what == "run" else (stream._feeder._calls, "bound", fail)))
        with pytest.raises(ProviderError, match=r"The stream is unchanged\.$"):
            stream.step(frames[5], out=fresh)
    for number, out in ((5, fresh), (6, bound_before), (7, fresh), (8, fresh)):
        np.testing.assert_array_equal(stream.step(frames[number], out=out), wanted[number])


@pytest.mark.parametrize("name", ["scaled_sum", "centred_conv", "strided_conv"])
def test_models_that_answer_otherwise(load: Load, name: str) -> None:
    """Several outputs, a value that is asked for again later, delays, frames that wait."""
    made = MADE[name]
    model, x = load(made), inputs(made, 12)
    stream, other = opened(model), opened(model)
    outs: dict[Any, Any] = {}
    for time in range(12):
        frame = {port: array[:, time : time + 1] for port, array in x.items()}
        wanted = other.step(frame)
        out: Any
        if isinstance(wanted, dict):
            out = outs.setdefault(0, {port: np.empty_like(array) for port, array in wanted.items()})
            assert stream.step(frame, out=out) is out
            for port, array in wanted.items():
                np.testing.assert_array_equal(out[port], array)
        else:
            out = outs.setdefault(wanted.shape, np.empty_like(wanted))
            np.testing.assert_array_equal(stream.step(frame, out=out), wanted)
    one, two = stream.flush(), other.flush()
    for got, want in zip(*(each.values() if isinstance(each, dict) else [each] for each in (one, two)), strict=True):
        np.testing.assert_array_equal(got, want)


def test_the_last_value_of_a_single_output_without_time(load: Load) -> None:
    """``flush`` looks for it where the graph put it."""
    made = handmade.scaled_sum()
    kept = [port for port in made.contract.ports if port.name != "y"]
    graph = made.graph.replace("(float[batch,time,2] y, float[batch,2] sum", "(float[batch,2] sum")
    model = load(Handmade(graph, made.weights, made.with_contract(ports=tuple(kept)).contract, made.whole))
    stream, out, x = opened(model), np.empty((1, 2), np.float32), inputs(made, 6)
    for time in range(6):
        last = stream.step({port: array[:, time : time + 1] for port, array in x.items()}, out=out).copy()
    out[...] = 0
    np.testing.assert_array_equal(stream.flush(), last)
