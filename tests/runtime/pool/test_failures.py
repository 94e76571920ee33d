"""Failures in the middle of a tick: every stream is at its last good state, or has ended and says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgeseq import runtime
from edgeseq.contract import Chunk
from edgeseq.errors import StreamEnded, TickFailed
from edgeseq.runtime.pool import Pool
from edgeseq.runtime.pool.bindings import Bindings
from tests import handmade
from tests.handmade import Handmade

Load = Callable[[Handmade], runtime.Model]
X = np.random.default_rng(3).standard_normal((6, 12, 2)).astype(np.float32)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException, int], None]:
    """Makes the run after so many others raise."""
    run = Bindings.run

    def arm(error: BaseException, after: int) -> None:
        left = iter([False] * after + [True])

        def flaky(self: Bindings, *args: Any) -> None:
            if next(left, False):
                raise error
            run(self, *args)

        monkeypatch.setattr(Bindings, "run", flaky)

    return arm


def whole(model: runtime.Model, row: int, frames: int) -> np.ndarray:
    stream = model.stream(batch=2)
    answer: np.ndarray = np.asarray(stream.step(np.repeat(X[row : row + 1, :frames], 2, 0)))
    return np.array(answer[0])


def opened(pool: Pool, count: int) -> np.ndarray:
    return np.array([pool.open() for _ in range(count)], np.int32)


@pytest.mark.parametrize("error", [RuntimeError("device lost"), MemoryError("no arena"), KeyboardInterrupt()])
@pytest.mark.parametrize("again", [0, 3])
def test_a_tick_of_one_call_fails_as_if_it_had_not_been(
    error: BaseException, again: int, load: Load, failing: Callable[[BaseException, int], None]
) -> None:
    model = load(handmade.causal_conv())
    with model.pool(4) as pool:
        slots = opened(pool, 4)
        failing(error, 1 + again)
        parts = [pool.step(slots, X[:4, t : t + 1].copy()) for t in range(1 + again)]
        with pytest.raises((TickFailed, KeyboardInterrupt)) as raised:
            pool.step(slots, X[:4, 1 + again : 2 + again].copy())
        if isinstance(raised.value, TickFailed):
            assert (raised.value.answers, raised.value.ended) == ({}, ())
            assert str(raised.value).endswith("All other streams are unchanged.")
        parts += [pool.step(slots, X[:4, t : t + 1].copy()) for t in range(1 + again, 6)]
        for row in range(4):
            np.testing.assert_allclose(np.concatenate([part[row] for part in parts]), whole(model, row, 6), atol=1e-6)


def test_a_tick_of_several_calls_hands_out_what_went_through(
    load: Load, failing: Callable[[BaseException, int], None]
) -> None:
    """Two frames a call: slot 0 takes two frames in one, slot 1 four in two, slot 2 has five and is never begun."""
    model = load(handmade.causal_conv().with_contract(chunk=Chunk(1, 2)))
    with model.pool(3) as pool:
        slots = opened(pool, 3)
        failing(RuntimeError("device lost"), 2)
        with pytest.raises(TickFailed, match="device lost") as raised:
            pool.step(slots, X[:3, :5], np.array([2, 4, 5]))
        failed = raised.value
        assert sorted([*failed.answers, *failed.ended]) == [0, 1]
        assert failed.ended == (1,)
        np.testing.assert_allclose(failed.answers[0], whole(model, 0, 2), atol=1e-6)
        assert [pool.frames_in(slot) for slot in (0, 2)] == [2, 0]
        with pytest.raises(StreamEnded, match=r"slot 1 takes no frames: its last step failed .* Call reset\(1\)"):
            pool.step(slots, X[:3, :1])
        pool.reset(1)
        np.testing.assert_allclose(pool.step([1], X[1:2, :4])[0], whole(model, 1, 4), atol=1e-6)
        np.testing.assert_allclose(pool.step([2], X[2:3, :4])[0], whole(model, 2, 4), atol=1e-6)


def test_an_interrupt_between_two_calls_ends_the_streams_that_were_under_way(
    load: Load, failing: Callable[[BaseException, int], None]
) -> None:
    model = load(handmade.causal_conv().with_contract(chunk=Chunk(1, 2)))
    with model.pool(3) as pool:
        slots = opened(pool, 3)
        pool.step(slots, X[:3, :2])
        failing(KeyboardInterrupt(), 1)
        with pytest.raises(KeyboardInterrupt):
            pool.step(slots[:2], X[:2, 2:6])
        with pytest.raises(StreamEnded, match="interrupted half way through"):
            pool.step(slots, X[:3, 2:4])
        np.testing.assert_allclose(pool.step([2], X[2:3, 2:4])[0], whole(model, 2, 4)[2:], atol=1e-6)


def test_what_a_failed_call_wrote_is_wiped_too(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache is written before the call fails: nothing points at those entries, and yet they are somebody's."""
    model = load(handmade.attention(max_context=50))
    run = Bindings.run

    def late(self: Bindings, *args: Any) -> None:
        run(self, *args)
        raise RuntimeError("device lost")

    with model.pool(2) as pool:
        slots = opened(pool, 2)
        pool.step(slots, X[:2, :2])
        monkeypatch.setattr(Bindings, "run", late)
        with pytest.raises(TickFailed):
            pool.step(slots, X[:2, 2:12])
        monkeypatch.setattr(Bindings, "run", run)
        cache = pool._ticker.crew.shards[0]._held.states["cache"].array
        assert cache[1, 11].any()
        pool.close(1)
        assert not cache[1].any()
        np.testing.assert_allclose(pool.step([0], X[:1, 2:6])[0], whole(model, 0, 6)[2:], atol=1e-6)


def test_a_shard_that_fails_does_not_take_the_others_with_it(
    load: Load, failing: Callable[[BaseException, int], None]
) -> None:
    model = load(handmade.causal_conv())
    with model.pool(6, shards=3) as pool:
        slots = opened(pool, 6)
        failing(RuntimeError("device lost"), 2)
        with pytest.raises(TickFailed) as raised:
            pool.step(np.sort(slots), X[:, :1])
        assert (len(raised.value.answers), raised.value.ended) == (4, ())
        left = sorted(set(range(6)) - set(raised.value.answers))
        again = pool.step(left, X[left, :1])
        for row, slot in enumerate(left):
            np.testing.assert_allclose(again[row], whole(model, slot, 1), atol=1e-6)


def test_a_shard_whose_thread_is_gone_ends_its_streams_and_gets_no_new_ones(load: Load) -> None:
    model = load(handmade.causal_conv())
    with model.pool(4, shards=2) as pool:
        slots = np.sort(opened(pool, 4))
        pool.step(slots, X[:4, :1])
        pool._ticker.crew._threads[0].shutdown()
        with pytest.raises(TickFailed, match="cannot schedule new futures") as raised:
            pool.step(slots, X[:4, 1:2])
        assert (sorted(raised.value.answers), raised.value.ended) == ([2, 3], (0, 1))
        with pytest.raises(StreamEnded, match="slot 0 takes no frames"):
            pool.step(slots, X[:4, 2:3])
        np.testing.assert_allclose(pool.step([2, 3], X[2:4, 2:3])[0], whole(model, 2, 3)[2:], atol=1e-6)
        pool.close([0, 1, 2])
        assert pool.open() == 2
