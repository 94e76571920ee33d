"""What ``expect`` and the counters say, in every state of a stream and for every chunking."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeseq import runtime
from edgeseq.contract import Chunk
from edgeseq.errors import ContextFull, ProviderError, StreamEnded
from tests import handmade
from tests.handmade import Handmade

Array = npt.NDArray[Any]
Load = Callable[[Handmade], runtime.Model]


def delayed_and_strided() -> Handmade:
    """Even chunks, one output frame for two, the first of which is not real."""
    made = handmade.strided_conv()
    x, y = made.contract.ports
    return made.with_contract(ports=(x, replace(y, delay=1)), delay=2)


MADE: dict[str, Handmade] = {
    "gru": handmade.gru(2, 2),
    "gru by threes": handmade.gru(2, 2).with_contract(chunk=Chunk(multiple=3)),
    "centred_conv": handmade.centred_conv(),
    "strided_conv": handmade.strided_conv(),
    "delayed_and_strided": delayed_and_strided(),
    "scaled_sum": handmade.scaled_sum().with_contract(chunk=Chunk(multiple=2)),
}


@pytest.fixture(scope="module")
def models(load: Load) -> dict[str, runtime.Model]:
    return {name: load(made) for name, made in MADE.items()}


def opened(model: runtime.Model) -> runtime.Stream:
    given = {"scale": np.ones((1, 2), np.float32)} if model.contract.with_role("conditioning") else None
    return model.stream(conditioning=given, on_missing="zero")


def step(stream: runtime.Stream, model: runtime.Model, frames: int) -> dict[str, Array]:
    x = np.ones((1, frames, 2), np.float32)
    return by_name(model, stream.step({port.name: x for port in model.contract.with_role("frame")}))


def by_name(model: runtime.Model, answer: Any) -> dict[str, Array]:
    if isinstance(answer, dict):
        return answer
    return {model.contract.with_role("output")[0].name: answer}


@pytest.mark.parametrize("name", MADE)
@settings(max_examples=40, deadline=None)
@given(chunks=st.lists(st.integers(-7, 7), max_size=10))
def test_the_counters_add_up(models: dict[str, runtime.Model], name: str, chunks: list[int]) -> None:
    """Negative sizes are missing frames. Every array has full rank, and together they are as long as the module's."""
    model = models[name]
    stream, multiple = opened(model), model.contract.chunk.multiple
    (timed,) = [port for port in model.contract.with_role("output") if port.time_axis is not None]
    assert timed.length is not None
    taken = given_frames = 0
    for size in chunks:
        expected = stream.expect(abs(size))
        answer = step(stream, model, size) if size > 0 else by_name(model, stream.missing(-size))
        assert all(answer[port.name].ndim == len(port.shape) for port in model.contract.with_role("output"))
        assert answer[timed.name].shape[1] == expected
        taken, given_frames = taken + abs(size), given_frames + answer[timed.name].shape[1]
        assert stream.frames_in == taken == stream.position + stream.frames_waiting
        assert stream.frames_waiting == taken % multiple
        assert stream.frames_out == given_frames
    tail = by_name(model, stream.flush())[timed.name]
    assert tail.ndim == len(timed.shape)
    assert given_frames + tail.shape[1] == timed.length(taken) == stream.frames_out
    assert (stream.frames_in, stream.frames_waiting, stream.ended) == (taken, 0, True)


def test_an_answer_that_is_not_ready_has_full_rank(load: Load) -> None:
    stream = load(delayed_and_strided()).stream(batch=3)
    for wanted in (0, 0, 0, 1):
        answer = stream.step(np.ones((3, 1, 2), np.float32))
        assert isinstance(answer, np.ndarray)
        assert answer.shape == (3, wanted, 2)
        assert answer.dtype == np.float32


def test_expect_raises_what_the_step_would(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(handmade.gru(2, 2).with_contract(max_context=4, chunk=Chunk(max=1)))
    stream = model.stream()
    x = np.ones((1, 3, 2), np.float32)
    assert stream.expect(4) == 4
    stream.step(x)
    assert (stream.expect(0), stream.expect(1)) == (0, 1)
    with pytest.raises(ContextFull, match=r"^the context is full at position 3 \(got 2 more frames"):
        stream.expect(2)
    stream.flush()
    with pytest.raises(StreamEnded, match=r"^the stream has ended: "):
        stream.expect(1)
    stream.reset()
    assert stream.expect(4) == 4
    run, calls = stream._feeder.run, []

    def fail_later(*given: Any) -> None:
        calls.append(given)
        if len(calls) == 2:
            raise RuntimeError("out of luck.")
        run(*given)

    with monkeypatch.context() as patch:
        patch.setattr(stream._feeder, "run", fail_later)
        with pytest.raises(ProviderError):
            stream.step(x)
    with pytest.raises(ProviderError, match=r"^the stream is broken: "):
        stream.expect(1)


def test_several_timed_outputs_are_counted_by_name(load: Load) -> None:
    made = handmade.scaled_sum()
    *ports, y, total = made.contract.ports
    graph = made.graph.replace("float[batch,2] sum,", "float[batch,2] sum, float[batch,time,2] late,")
    graph = graph.replace("part = ReduceSum", "late = Identity(y)\n        part = ReduceSum")
    late = replace(y, name="late", delay=2)
    twice = replace(made, graph=graph).with_contract(ports=(*ports, y, total, late), delay=2)
    stream = load(twice).stream(conditioning={"scale": np.ones((1, 2), np.float32)})
    assert stream.expect(3) == {"y": 3, "late": 1}
    x = np.ones((1, 1, 2), np.float32)
    for _ in range(3):
        stream.step(a=x, b=x)
    assert stream.frames_out == {"y": 3, "late": 1}
    stream.flush()
    assert stream.frames_out == {"y": 3, "late": 3}
