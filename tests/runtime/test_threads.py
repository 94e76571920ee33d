"""One stream per thread on one model; two threads in one stream are told so, and nothing comes of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from edgeseq import runtime
from edgeseq.errors import UsageError
from tests import handmade
from tests.runtime.test_snapshots import MADE, Load, go_on, inputs, opened, same

MESSAGE = (
    "the stream is in the middle of another call: it belongs to one thread at a time. "
    "Open a stream for every thread with model.stream(): they share the model."
)


@pytest.mark.parametrize("name", MADE)
def test_streams_of_one_model_step_in_threads(load: Load, name: str) -> None:
    model, made = load(MADE[name]), MADE[name]
    wanted = [go_on(opened(model), inputs(made, 60, seed), [1] * 60) for seed in range(6)]

    def run(seed: int) -> list[Any]:
        found: list[Any] = []
        for _ in range(5):
            found = go_on(opened(model), inputs(made, 60, seed), [1] * 60)
        return found

    with ThreadPoolExecutor(6) as threads:
        assert all(same(got, want) for got, want in zip(threads.map(run, range(6)), wanted, strict=True))


CALLS: dict[str, Callable[[runtime.Stream], object]] = {
    "step": lambda stream: stream.step(np.zeros((1, 1, 4), np.float32)),
    "missing": lambda stream: stream.missing(1),
    "flush": lambda stream: stream.flush(),
    "reset": lambda stream: stream.reset(),
    "close": lambda stream: stream.close(),
    "snapshot": lambda stream: stream.snapshot(),
    "fork": lambda stream: stream.fork(),
    "rewind": lambda stream: stream.rewind(1),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_second_call_is_refused(load: Load, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """The first one is held up in the graph."""
    model = load(handmade.gru())
    stream, other = (model.stream(on_missing="zero") for _ in range(2))
    x = np.ones((1, 1, 4), np.float32)
    for each in (stream, other):
        each.step(x)
    run, inside, go = stream._feeder.run, threading.Event(), threading.Event()

    def slow(handle: Any, options: Any) -> None:
        inside.set()
        go.wait(60)
        run(handle, options)

    monkeypatch.setattr(stream._feeder, "run", slow)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(stream.step, x)
        assert inside.wait(60)
        with pytest.raises(UsageError) as caught:
            CALLS[call](stream)
        go.set()
        np.testing.assert_array_equal(first.result(), other.step(x))
    assert str(caught.value) == MESSAGE
    np.testing.assert_array_equal(stream.step(x), other.step(x))


def test_a_stream_may_change_its_thread(load: Load) -> None:
    model, x = load(handmade.gru()), inputs(handmade.gru(), 8)["x"]
    stream, other = model.stream(), model.stream()
    for time in range(8):
        with ThreadPoolExecutor(1) as thread:
            got = thread.submit(stream.step, x[:, time : time + 1]).result()
        np.testing.assert_array_equal(got, other.step(x[:, time : time + 1]))


def test_a_refused_step_leaves_the_stream_free(load: Load) -> None:
    stream = load(handmade.gru()).stream()
    for _ in range(3):
        with pytest.raises(ValueError, match="wrong number of axes"):
            stream.step(np.zeros(4, np.float32))
        stream.step(np.zeros((1, 1, 4), np.float32))
