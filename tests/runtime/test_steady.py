"""A long stream: no object survives a step, no buffer moves."""

from __future__ import annotations

import gc
import os
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

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


def resident_bytes() -> int:
    """Resident memory of this process, from Linux's /proc."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_room_that_is_not_used_is_not_in_memory(load: Load) -> None:
    """A cache of 160 MB, in a stream, in its forks and after it starts anew."""
    stream, x = load(handmade.attention()).stream(max_context=20_000_000), np.zeros((1, 1, 2), np.float32)
    before = resident_bytes()
    twins = [stream.fork() for _ in range(5)]
    stream.reset()
    stream.restore(twins[0].snapshot())
    assert stream.state_bytes > 150_000_000
    assert resident_bytes() - before < 20_000_000
    del twins, x


def test_a_million_steps_neither_drift_nor_grow(load: Load) -> None:
    """Four frames drive a GRU of one unit round: every turn ends with the same bits. ``make nightly`` goes further."""
    steps = int(os.environ.get("EDGESEQ_STEPS", 1_000_000))
    stream = load(handmade.gru(1, 1)).stream()
    frames = [np.full((1, 1, 1), value, np.float32) for value in (0.5, -0.25, 1.0, 0.0)]
    for _ in range(50):  # until it goes round
        for frame in frames:
            wanted = stream.step(frame)
    step, blocks, turns = stream.step, sys.getallocatedblocks(), steps // len(frames)
    for _ in range(turns):
        for frame in frames:
            answer = step(frame)
    assert sys.getallocatedblocks() - blocks < 200
    assert stream.position == len(frames) * (turns + 50)
    np.testing.assert_array_equal(answer, wanted)
