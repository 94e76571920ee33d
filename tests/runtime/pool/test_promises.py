"""Promises of a pool that are easily broken: each of these went wrong once."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgeseq import runtime
from edgeseq.contract import Contract, Port
from edgeseq.errors import ShapeError, StreamEnded, TickFailed, UsageError
from edgeseq.runtime.pool import Pool
from edgeseq.runtime.pool import ready as ready_module
from edgeseq.runtime.pool.bindings import Bindings
from tests import handmade
from tests.handmade import Handmade

Load = Callable[[Handmade], runtime.Model]
X = np.random.default_rng(9).standard_normal((4, 40, 2)).astype(np.float32)


def opened(pool: Pool, count: int) -> np.ndarray:
    return np.array([pool.open() for _ in range(count)], np.int32)


def lockstep(model: runtime.Model, x: np.ndarray, size: int) -> list[np.ndarray]:
    stream = model.stream(batch=len(x))
    return [np.asarray(stream.step(x[:, t : t + size])) for t in range(0, x.shape[1] - size + 1, size)]


def cached_with_given(layers: int) -> Handmade:
    """A cache, and conditioning whose batch is not its first axis."""
    attention = handmade.attention(max_context=60)
    graph = attention.graph.replace(
        "float[batch,time,2] x,", f"float[batch,time,2] x, float[{layers},batch,2] given,", 1
    )
    graph = graph.replace("y = MatMul(shares", """seen = MatMul(shares""").replace(
        "}", "    moved = ReduceSum<keepdims=0>(given, first) wide = Unsqueeze(moved, axis1) y = Add(seen, wide) }"
    )
    given = Port("given", "conditioning", "float32", (layers, "batch", 2))
    x, y = attention.contract.ports
    contract = Contract(ports=(x, given, y), states=attention.contract.states, max_context=60)
    return Handmade(graph, {**attention.weights, "first": np.array([0])}, contract, attention.whole)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_equal_ticks_pass_the_look_ahead(size: int, load: Load) -> None:
    model = load(handmade.centred_conv())
    with model.pool(4) as pool:
        slots = opened(pool, 4)
        for t, wanted in zip(range(0, 40, size), lockstep(model, X, size), strict=False):
            np.testing.assert_array_equal(pool.step(slots, X[:, t : t + size].copy()), wanted)


@pytest.mark.parametrize("layers", [1, 3])
def test_conditioning_of_any_layout_beside_caches(layers: int, load: Load) -> None:
    model = load(cached_with_given(layers))
    given = np.random.default_rng(1).standard_normal((4, layers, 1, 2)).astype(np.float32)
    with model.pool(4) as pool:
        slots = np.array([pool.open({"given": each}) for each in given], np.int32)
        twins = [model.stream(conditioning={"given": each}) for each in given]
        for t in range(5):
            answers = pool.step(slots, X[:, t : t + 1])
            for row, twin in enumerate(twins):
                np.testing.assert_allclose(
                    answers[row], np.asarray(twin.step(X[row : row + 1, t : t + 1]))[0], atol=1e-6
                )


def test_an_output_may_lie_where_the_frames_do(load: Load) -> None:
    model = load(handmade.causal_conv())
    wanted = lockstep(model, X, 2)
    with model.pool(4) as pool:
        slots = opened(pool, 4)
        for t, row in zip(range(0, 40, 2), wanted, strict=True):
            frames = X[:, t : t + 2].copy()
            assert pool.step(slots, frames, None, frames) is frames
            np.testing.assert_array_equal(frames, row)


@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 1, 0, 2]])
def test_out_is_filled_and_checked_whatever_the_order(order: list[int], shards: int, load: Load) -> None:
    model = load(handmade.centred_conv())
    with model.pool(4, shards=shards) as pool:
        opened(pool, 4)
        wanted = lockstep(model, X, 4)[0]
        for wrong in (np.empty((4, 3, 2), np.float64), np.empty((4, 4, 2), np.float32)):
            with pytest.raises(ShapeError, match="out for y does not fit"):
                pool.step(order, X[order, :4], None, wrong)
        assert [pool.frames_in(slot) for slot in range(4)] == [0, 0, 0, 0]
        out = np.zeros((4, 3, 2), np.float32)
        assert pool.step(order, X[order, :4], None, out) is out
        np.testing.assert_array_equal(out, wanted[order])
        with pytest.raises(ShapeError, match="rows of different lengths"):
            pool.step(order, X[order, :4], np.array([1, 2, 3, 4]), np.zeros((4, 4, 2), np.float32))


def test_a_call_within_a_call_is_refused(load: Load) -> None:
    model = load(handmade.causal_conv())
    pool = model.pool(2)
    slots = opened(pool, 2)

    class Meddler:
        def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
            pool.step(slots, X[:2, :1])
            return X[:2, :1]

    with pytest.raises((UsageError, ShapeError), match="in the middle of another call"):
        pool.step(slots, Meddler())
    assert pool.frames_in(0) == 0
    pool.shutdown()


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_flush_that_fails_half_way(where: str, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two shards, a call each; the second fails before it runs, or is interrupted after."""
    model = load(handmade.centred_conv())
    run, calls = Bindings.run, itertools.count(1)
    with model.pool(2, shards=2) as pool:
        slots = np.sort(opened(pool, 2))
        pool.step(slots, X[:2, :5])

        def second_fails(self: Bindings, *args: Any) -> None:
            second = next(calls) == 2
            if second and where == "before":
                raise RuntimeError("device lost")
            run(self, *args)
            if second:
                raise KeyboardInterrupt

        monkeypatch.setattr(Bindings, "run", second_fails)
        with pytest.raises((TickFailed, KeyboardInterrupt)) as raised:
            pool.flush(slots)
        monkeypatch.setattr(Bindings, "run", run)
        if isinstance(raised.value, TickFailed):
            assert len(raised.value.answers) == 1
            (through,) = raised.value.answers
            with pytest.raises(StreamEnded, match="flush was called"):
                pool.step([through], X[:1, :1])
            left = 1 - through
            pool.step([left], X[left : left + 1, 5:6])
        else:
            with pytest.raises(StreamEnded):
                pool.step(slots, X[:2, :1])


def test_memory_that_fails_after_the_call_ends_the_streams_that_moved(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(handmade.centred_conv())
    with model.pool(2) as pool:
        slots = opened(pool, 2)

        def full(*_: Any) -> None:
            raise MemoryError("no room for the answer")

        with monkeypatch.context() as patched:
            patched.setattr(ready_module.Ready, "take", full)
            with pytest.raises(TickFailed, match="there is no memory") as raised:
                pool.step(slots, X[:2, :3])
        assert (raised.value.answers, sorted(raised.value.ended)) == ({}, [0, 1])
        with pytest.raises(StreamEnded, match="half way through"):
            pool.step(slots, X[:2, :1])
        pool.reset(slots)
        np.testing.assert_array_equal(pool.step(slots, X[:2, :2]), lockstep(model, X[:2], 2)[0])


def test_memory_that_fails_in_one_shard_is_not_its_end(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(handmade.causal_conv())
    with model.pool(4, shards=2) as pool:
        slots = np.sort(opened(pool, 4))
        pool.step(slots, X[:, :1])
        init, left = ready_module.Ready.__init__, iter([True])

        def flaky(self: Any, *args: Any) -> None:
            if next(left, False):
                raise MemoryError("no room")
            init(self, *args)

        monkeypatch.setattr(ready_module.Ready, "__init__", flaky)
        with pytest.raises(TickFailed) as raised:
            pool.step(slots, X[:, 1:2])
        assert (len(raised.value.answers), raised.value.ended) == (2, ())
        pool.step(slots, X[:, 2:3])
