"""A long stream: no object survives a step, no buffer moves."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import numpy as np

from edgeseq import runtime
from tests import handmade
from tests.handmade import Handmade

Load = Callable[[Handmade], runtime.Model]


def survivors(step: Callable[[], object], steps: int) -> tuple[int, int]:
    """Objects and bytes more after ``steps`` than before."""
    for _ in range(200):
        step()
    gc.collect()
    tracemalloc.start()
    try:
        objects, (held, _) = len(gc.get_objects()), tracemalloc.get_traced_memory()
        for _ in range(steps):
            step()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        return len(gc.get_objects()) - objects, after - held
    finally:
        tracemalloc.stop()


def test_no_object_survives_a_step(load: Load) -> None:
    stream = load(handmade.gru()).stream()
    x = np.zeros((1, 1, 4), np.float32)
    objects, held = survivors(lambda: stream.step(x), 20_000)
    assert objects <= 5
    assert held < 20_000


def test_no_object_survives_a_step_of_changing_size(load: Load) -> None:
    stream = load(handmade.strided_conv()).stream(batch=2)
    chunks = [np.zeros((2, size, 2), np.float32) for size in (1, 2, 5, 3, 9, 4, 7)]

    def step() -> None:
        for chunk in chunks:
            stream.step(chunk)

    objects, held = survivors(step, 500)
    assert objects <= 50
    assert held < 50_000


def test_no_object_survives_a_gap_a_buffer_of_ones_own_or_a_reset(load: Load) -> None:
    stream = load(handmade.gru()).stream(on_missing="hold")
    x, out = np.zeros((1, 1, 4), np.float32), np.empty((1, 1, 8), np.float32)

    def step() -> None:
        stream.step(x)
        stream.step(x, out=out)
        stream.missing(1)
        stream.missing(2)
        stream.flush()
        stream.reset()

    objects, held = survivors(step, 500)
    assert objects <= 5
    assert held < 20_000


def test_no_object_survives_a_stream_that_was_closed(load: Load) -> None:
    model, x = load(handmade.gru()), np.zeros((1, 1, 4), np.float32)

    def live() -> None:
        with model.stream() as stream:
            stream.step(x)

    objects, held = survivors(live, 200)
    assert objects <= 5
    assert held < 20_000


def test_the_count_can_fail(load: Load) -> None:
    stream = load(handmade.gru()).stream()
    x, kept = np.zeros((1, 1, 4), np.float32), []
    _, held = survivors(lambda: kept.append(stream.step(x)), 2_000)
    assert held > 50_000
