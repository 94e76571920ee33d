"""A stream that is closed gives its memory back and says so ever after."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections.abc import Callable

import numpy as np
import pytest

from edgeseq import runtime
from edgeseq.errors import ShapeError, StreamEnded
from tests import handmade
from tests.handmade import Handmade

Load = Callable[[Handmade], runtime.Model]

X = np.ones((1, 1, 2), np.float32)


def held_bytes() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@pytest.mark.parametrize("steps", [0, 3])
def test_closing_lets_go_of_the_buffers(load: Load, steps: int) -> None:
    model = load(handmade.attention())
    tracemalloc.start()
    try:
        before = held_bytes()
        stream = model.stream(max_context=100_000, on_missing="hold")
        for _ in range(steps):
            stream.step(X)
        assert held_bytes() - before > 500_000
        stream.close()
        assert held_bytes() - before < 100_000
    finally:
        tracemalloc.stop()
    assert stream.state_bytes == 0


@pytest.mark.parametrize("steps", [0, 3])
@pytest.mark.parametrize("flushed", [True, False])
def test_a_closed_stream_refuses_every_call(load: Load, steps: int, flushed: bool) -> None:
    stream = load(handmade.attention()).stream(on_missing="zero")
    for _ in range(steps):
        stream.step(X)
    if flushed:
        stream.flush()
    stream.close()
    refused: list[Callable[[], object]] = [
        lambda: stream.step(X),
        lambda: stream.step(x=X),
        lambda: stream.step(X, out=np.empty((1, 1, 2), np.float32)),
        lambda: stream.missing(1),
        lambda: stream.expect(1),
        stream.flush,
        stream.reset,
        stream.__enter__,
    ]
    for call in refused:
        with pytest.raises(StreamEnded) as caught:
            call()
        assert str(caught.value) == "the stream is closed. Open another with model.stream()."


def test_the_counters_of_a_closed_stream_can_be_read(load: Load) -> None:
    stream = load(handmade.strided_conv()).stream(on_missing="zero")
    stream.missing(2)
    stream.step(np.ones((1, 3, 2), np.float32))
    stream.close()
    assert (stream.frames_in, stream.frames_out, stream.frames_missing, stream.frames_waiting) == (5, 2, 2, 1)
    assert (stream.position, stream.delay, stream.ended, stream.closed) == (4, 0, False, True)


def test_closing_twice_is_closing_once(load: Load) -> None:
    stream = load(handmade.gru()).stream()
    assert not stream.closed
    stream.close()
    stream.close()
    assert stream.closed


def test_a_with_block_closes_whatever_happens(load: Load) -> None:
    model = load(handmade.gru())
    with model.stream() as stream:
        answer = stream.step(np.ones((1, 1, 4), np.float32))
    assert stream.closed
    assert np.asarray(answer).shape == (1, 1, 8)
    with pytest.raises(ShapeError), model.stream() as stream:
        stream.step(X)
    assert stream.closed


def test_conditioning_is_let_go_of_and_a_fork_keeps_it(load: Load) -> None:
    stream = load(handmade.scaled_sum()).stream(conditioning={"scale": np.ones((1, 2), np.float32)})
    frame = {"a": np.ones((1, 1, 2), np.float32), "b": np.ones((1, 1, 2), np.float32)}
    stream.step(frame)
    held = weakref.ref(stream._opening.conditioning["scale"])
    twin = stream.fork()
    stream.close()
    gc.collect()
    assert held() is not None
    twin.step(frame)
    twin.close()
    gc.collect()
    assert held() is None


def test_one_closed_stream_does_not_close_another(load: Load) -> None:
    made = handmade.gru()
    model = load(made)
    x = np.ones((1, 4, 4), np.float32)
    one, other = model.stream(), model.stream()
    parts = [np.asarray(other.step(x[:, :2]))]
    one.step(x)
    one.close()
    parts.append(np.asarray(other.step(x[:, 2:])))
    np.testing.assert_allclose(np.concatenate(parts, axis=1), made.whole(x)[0], atol=1e-6)
