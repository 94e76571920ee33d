"""A pool as a server uses it: slots, refusals, memory, idle streams, draining, figures."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgeseq import runtime
from edgeseq.errors import ContextFull, NonFiniteInput, PoolFull, ShapeError, StreamEnded, UsageError
from edgeseq.runtime.pool import Pool, room
from tests import handmade
from tests.handmade import Handmade

Load = Callable[[Handmade], runtime.Model]


@pytest.fixture
def model(load: Load) -> runtime.Model:
    return load(handmade.gru())


def frames(rows: int, count: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((rows, count, 4)).astype(np.float32)


def opened(pool: Pool, count: int) -> np.ndarray:
    return np.array([pool.open() for _ in range(count)], np.int32)


def test_a_dict_of_slots_is_answered_with_one(model: runtime.Model) -> None:
    x = frames(3, 4)
    with model.pool(4) as pool, model.pool(4) as other:
        slots, same = opened(pool, 3), opened(other, 3)
        wanted = other.step(same, x, np.array([4, 1, 2]))
        answers = pool.step({int(slots[0]): x[0], int(slots[1]): x[1:2, :1], int(slots[2]): x[2, :2]})
    assert [answers[slot].ndim for slot in slots.tolist()] == [2, 3, 2]
    for slot, row in zip(slots.tolist(), wanted, strict=True):
        np.testing.assert_array_equal(answers[slot].reshape(row.shape), row)


def test_tensors_are_taken_as_they_are(model: runtime.Model) -> None:
    torch = pytest.importorskip("torch")
    x = frames(2, 3)
    with model.pool(2) as pool, model.pool(2) as other:
        wanted = other.step(opened(other, 2), x)
        slots = opened(pool, 2)
        np.testing.assert_array_equal(pool.step(slots, torch.from_numpy(x)), wanted)
        pool.reset(slots)
        np.testing.assert_array_equal(pool.step({0: torch.from_numpy(x[0])})[0], wanted[0])
        with pytest.raises(ShapeError, match="x of slot 1 cannot be read as an array"):
            pool.step({1: torch.from_numpy(x[1]).requires_grad_()})


def test_out_is_filled(model: runtime.Model) -> None:
    with model.pool(4) as pool:
        slots = opened(pool, 3)
        out = np.empty((3, 2, 8), np.float32)
        assert pool.step(slots, frames(3, 2), None, out) is out
        with pytest.raises(ShapeError, match="out for y does not fit"):
            pool.step(slots, frames(3, 1), None, out)
        assert pool.frames_in(int(slots[0])) == 2


@pytest.mark.parametrize(
    ("slots", "given", "counts", "says"),
    [
        ([0, 0], frames(2), None, "a slot stands twice in one step (got 0, wanted each slot once)"),
        ([0, 4], frames(2), None, "there is no such slot (got 4, wanted from 0 to 3)"),
        ([0, -1], frames(2), None, "there is no such slot"),
        ([], frames(2), None, "slots is not a list of slots"),
        ([0.5], frames(1), None, "slots is not a list of slots"),
        ([0, 1], frames(3), None, "x has the wrong shape (got [3, 1, 4], wanted [2, time, 4])"),
        (
            [0, 1],
            frames(2, 2),
            [1, 3],
            "counts says what the frames do not hold (got 3, wanted from 1 to 2 base frames)",
        ),
        ([0, 1], frames(2, 2), [0, 1], "counts says what the frames do not hold (got 0"),
        ([0, 1], frames(2, 2), [1], "counts does not fit the slots"),
        ([0, 1], frames(2).astype(np.float64), None, "x has the wrong dtype"),
    ],
)
def test_what_does_not_fit_is_refused(model: runtime.Model, slots: Any, given: Any, counts: Any, says: str) -> None:
    with model.pool(4) as pool:
        opened(pool, 4)
        with pytest.raises(ShapeError) as refused:
            pool.step(slots, given, counts)
        assert says in str(refused.value)
        assert [pool.frames_in(slot) for slot in range(4)] == [0, 0, 0, 0]


def test_a_frame_that_is_not_finite_stops_the_tick_before_it_begins(model: runtime.Model) -> None:
    x = frames(3, 2)
    x[1, 1, 2] = np.nan
    with model.pool(3) as pool:
        slots = opened(pool, 3)
        with pytest.raises(NonFiniteInput, match=r"x\[1, 1, 2\]"):
            pool.step(slots, x)
        assert pool.frames_in(0) == 0
        assert pool.step(slots, x, np.array([2, 1, 2]))[1].shape == (1, 8)  # behind the count it is nobody's
        with pytest.raises(NonFiniteInput):
            pool.step(slots, x)
    with model.pool(3, on_nonfinite="pass") as pool:
        pool.step(opened(pool, 3), x)
        assert pool.frames_in(0) == 2


def test_slots_that_take_no_frames(model: runtime.Model) -> None:
    with model.pool(4) as pool:
        with pytest.raises(StreamEnded, match=r"slot 0 takes no frames: no stream is open in it\. Open one"):
            pool.step([0], frames(1))
        slot = pool.open()
        pool.step([slot], frames(1))
        pool.flush([slot])
        assert pool.frames_in(slot) == 1
        with pytest.raises(StreamEnded, match=r"flush was called\. Call reset\(0\)"):
            pool.step([slot], frames(1))
        pool.reset(slot)
        pool.step([slot], frames(1))
        pool.close(slot)
        with pytest.raises(StreamEnded, match="slot 0 has no stream"):
            pool.close(slot)
    with pytest.raises(StreamEnded, match="the pool was shut down"):
        pool.open()


def test_a_full_pool_says_what_more_would_take(model: runtime.Model) -> None:
    with model.pool(3, shards=2) as pool:
        assert sorted(opened(pool, 3).tolist()) == [0, 1, 2]
        with pytest.raises(PoolFull, match=r"the pool is full \(got 3 open streams.* a stream, .* for 3\."):
            pool.open()
        pool.close(1)
        assert pool.open() == 1


def test_memory_is_asked_for_before_anything_is_allocated(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "free_bytes", lambda: 10_000_000)
    model = load(handmade.attention(max_context=1000))
    with pytest.raises(PoolFull, match=r"8\.\d+ kB a stream with room for 1,000 frames x 5,000 = 4\d\.\d MB,"):
        model.pool(5000)
    with model.pool(5000, max_context=50) as pool:
        pool.open()


def test_a_stream_that_is_full_is_named_and_nothing_happens(load: Load) -> None:
    model = load(handmade.attention(max_context=5))
    x = np.ones((2, 4, 2), np.float32)
    with model.pool(2) as pool:
        slots = opened(pool, 2)
        pool.step(slots, x)
        pool.reset(0)
        with pytest.raises(ContextFull, match="a stream of the pool is full at slot 1"):
            pool.step(slots, x)
        assert [pool.frames_in(slot) for slot in (0, 1)] == [0, 4]
        pool.step(slots, x[:, :1])


def test_caches_without_an_end_need_a_bound(load: Load) -> None:
    with pytest.raises(UsageError, match="how long a stream can get"):
        load(handmade.attention()).pool(2)


def test_a_closed_slot_is_zeroed(load: Load) -> None:
    model = load(handmade.attention(max_context=50))
    with model.pool(3) as pool:
        slots = opened(pool, 3)
        for _ in range(3):
            pool.step(slots, np.ones((3, 2, 2), np.float32))
        (shard,) = pool._ticker.crew.shards
        stores = {name: store.array for name, store in shard._held.states.items()}
        assert stores["cache"][1].any()
        pool.close(1)
        assert not any(array[1 :: 3 if name != "cache" else 99].any() for name, array in stores.items())
        assert stores["cache"][0].any()
        assert stores["cache"][2].any()


def test_a_new_stream_starts_from_nothing_of_the_old_one(model: runtime.Model) -> None:
    x = frames(1, 3)
    with model.pool(2) as pool:
        slot = pool.open()
        first = pool.step([slot], x)
        pool.close(slot)
        assert pool.open() == slot
        np.testing.assert_array_equal(pool.step([slot], x), first)


def test_idle_streams_are_closed(model: runtime.Model) -> None:
    with model.pool(2, idle_timeout=0.05) as pool:
        kept, idle = pool.open(), pool.open()
        until = time.monotonic() + 5
        while len(pool) == 2 and time.monotonic() < until:
            pool.step([kept], frames(1))
        assert (len(pool), pool.stats()["idle_closed_total"]) == (1, 1)
        with pytest.raises(StreamEnded):
            pool.step([idle], frames(1))


def test_a_drained_pool_takes_nobody_in_and_goes_on_with_the_others(model: runtime.Model) -> None:
    with model.pool(2) as pool:
        slot = pool.open()
        assert pool.drain() == 1
        with pytest.raises(PoolFull, match="takes no new streams: it is drained"):
            pool.open()
        pool.step([slot], frames(1))
        pool.close(slot)
        assert pool.drain() == 0


def test_figures(model: runtime.Model) -> None:
    with model.pool(4, shards=2) as pool:
        slots = opened(pool, 3)
        pool.step(slots, frames(3, 2))
        pool.step(slots[:1], frames(1))
        pool.close(2)
        stats = pool.stats()
        assert all(isinstance(value, (int, float)) for value in stats.values())
        told = {name: stats[name] for name in ("capacity", "shards", "streams_open", "ticks_total", "frames_total")}
        assert told == {"capacity": 4, "shards": 2, "streams_open": 2, "ticks_total": 2, "frames_total": 7}
        assert (stats["opened_total"], stats["closed_total"], stats["last_tick_streams"]) == (3, 1, 1)


@pytest.mark.parametrize(
    ("wishes", "says"),
    [
        ({"capacity": 0}, "capacity must be a whole number from 1"),
        ({"capacity": 2, "shards": 3}, "shards must be a whole number from 1 to the capacity"),
        ({"capacity": 2, "idle_timeout": 0}, "idle_timeout must be a number of seconds above 0"),
        ({"capacity": 2, "on_nonfinite": "ignore"}, "unknown on_nonfinite"),
    ],
)
def test_wishes_that_mean_nothing(model: runtime.Model, wishes: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        model.pool(**wishes)


def test_conditioning_is_each_streams_own_and_the_rest_is_one_for_all(load: Load) -> None:
    model = load(handmade.scaled_sum())
    x = np.ones((2, 3, 2), np.float32)
    with model.pool(2) as pool:
        with pytest.raises(ShapeError, match="conditioning is missing: scale"):
            pool.open()
        slots = [pool.open({"scale": np.full((1, 2), scale, np.float32)}) for scale in (1, 10)]
        answers = pool.step(slots, a=x, b=x)
        np.testing.assert_array_equal(answers["y"][:, 0, 0], [4, 22])
        np.testing.assert_array_equal(answers["sum"][:, 0], [12, 66])
        pool.close(0)
        with pytest.raises(ShapeError, match="start has no batch axis and must be the same for all streams"):
            pool.open({"scale": np.ones((1, 2), np.float32), "start": np.ones(1, np.float32)})
