"""Every stream of a pool gives what a stream of its own gives, whoever else is in the pool."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edgeseq import runtime
from edgeseq.contract import Chunk
from tests import handmade
from tests.handmade import Handmade
from tests.runtime.pool.driving import Driver

Load = Callable[[Handmade], runtime.Model]

MODELS: dict[str, Handmade] = {
    "gru": handmade.gru(),
    "causal_conv": handmade.causal_conv(),
    "left_context": handmade.left_context(),
    "left_context, time last": handmade.left_context(axis=2),
    "centred_conv": handmade.centred_conv(),
    "centred_conv_then_sum": handmade.centred_conv_then_sum(),
    "strided_conv": handmade.strided_conv(),
    "attention": handmade.attention(max_context=400),
    "scaled_sum": handmade.scaled_sum(),
    "embedding": handmade.embedding(),
}


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("name", MODELS)
def test_a_stream_in_a_pool_is_a_stream_of_its_own(name: str, shards: int, load: Load) -> None:
    model = load(MODELS[name])
    with model.pool(9, shards=shards) as pool:
        driver = Driver(model, pool, seed=shards)
        driver.run(80)
        assert driver.compared > 200


@pytest.mark.parametrize("limits", [(4, None), (None, 2), (4, 2), (None, 1)])
def test_long_steps_are_cut_into_the_calls_that_the_model_takes(
    limits: tuple[int | None, int | None], load: Load
) -> None:
    model = load(handmade.centred_conv_then_sum().with_contract(chunk=Chunk(1, *limits)))
    with model.pool(5) as pool:
        driver = Driver(model, pool, seed=7, most_frames=11, exact=False)
        driver.run(40)
        assert driver.compared > 50


def test_neighbours_change_no_bit(load: Load) -> None:
    """Alone in a tick, beside one that is a million times louder, among many, in a larger pool."""
    model = load(handmade.gru())
    x = np.random.default_rng(0).standard_normal((40, 1, 30, 4)).astype(np.float32)
    x[7] *= 1e6

    def answers(capacity: int, others: int) -> np.ndarray:
        with model.pool(capacity) as pool:
            slots = np.array([pool.open() for _ in range(1 + others)], np.int32)
            frames = [np.concatenate(x[: len(slots), 0, t : t + 1]) for t in range(30)]
            return np.stack([pool.step(slots, frame[:, None])[0] for frame in frames])

    alone = answers(1, 0)
    for capacity, others in ((8, 0), (8, 1), (40, 7), (40, 8), (40, 39)):
        np.testing.assert_array_equal(answers(capacity, others), alone)


def test_a_stream_that_is_left_out_keeps_its_state(load: Load) -> None:
    model = load(handmade.gru())
    x = np.random.default_rng(1).standard_normal((6, 50, 4)).astype(np.float32)
    with model.pool(6) as pool:
        slots = np.array([pool.open() for _ in range(6)], np.int32)
        pool.step(slots, x[:, :1])
        for t in range(1, 40):
            pool.step(slots[1::2], x[1::2, t : t + 1])
        paused = pool.step(slots[:1], x[:1, 1:2])
    twin = model.stream(batch=2)
    twin.step(np.repeat(x[:1, :1], 2, 0))
    np.testing.assert_array_equal(paused, np.asarray(twin.step(np.repeat(x[:1, 1:2], 2, 0)))[:1])


def test_the_same_tick_again_is_the_same_as_any_other(load: Load) -> None:
    """The short way of a tick that comes again, with and without ``out``, left and taken up again."""
    model = load(handmade.causal_conv())
    x = np.random.default_rng(2).standard_normal((4, 60, 2)).astype(np.float32)
    twin = model.stream(batch=4)
    with model.pool(4) as pool:
        slots = np.array([pool.open() for _ in range(4)], np.int32)
        for t in range(0, 60, 2):
            wanted = twin.step(x[:, t : t + 2])
            frames = x[:, t : t + 2].copy()
            if t % 10 == 4:
                halves = [pool.step(slots[part], frames[part]) for part in (slice(0, 3), slice(3, 4))]
                np.testing.assert_array_equal(np.concatenate(halves), wanted)
            elif t % 10 == 6:
                np.testing.assert_array_equal(pool.step(slots[::-1].copy(), frames[::-1])[::-1], wanted)
            else:
                out = np.empty_like(wanted) if t % 4 == 0 else None
                answer = pool.step(slots, frames, None, out)
                assert out is None or answer is out
                np.testing.assert_array_equal(answer, wanted)
