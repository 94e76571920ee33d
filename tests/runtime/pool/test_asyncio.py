"""The asyncio front: gathering, order, back-pressure, budgets, cancelled callers, failures."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import pytest

from edgeseq import runtime
from edgeseq.errors import NonFiniteInput, PoolFull, ShapeError, StreamEnded, TickFailed, UsageError
from edgeseq.runtime.pool import Pool
from edgeseq.runtime.pool.bindings import Bindings
from tests import handmade
from tests.handmade import Handmade

Load = Callable[[Handmade], runtime.Model]
X = np.random.default_rng(5).standard_normal((8, 40, 2)).astype(np.float32)


@pytest.fixture
def model(load: Load) -> runtime.Model:
    return load(handmade.centred_conv_then_sum())


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 60))


def whole(model: runtime.Model, row: int, frames: int = 40) -> np.ndarray:
    stream = model.stream(batch=2)
    x = np.repeat(X[row : row + 1, :frames], 2, 0)
    parts = [stream.step(x[:, t : t + 1]) for t in range(frames)]
    answers: np.ndarray = np.concatenate([*(np.asarray(part) for part in parts), np.asarray(stream.flush())], axis=1)
    return np.array(answers[0])


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Ticks wait until this is set."""
    gate, step = threading.Event(), Pool.step

    def waits(self: Pool, *args: Any) -> Any:
        assert gate.wait(30)
        return step(self, *args)

    monkeypatch.setattr(Pool, "step", waits)
    return gate


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("batched", [True, False])
def test_streams_at_their_own_pace(model: runtime.Model, batched: bool, shards: int) -> None:
    async def client(front: Any, row: int) -> np.ndarray:
        x = X[row : row + 1] if batched else X[row]
        time = 1 if batched else 0
        async with await front.open() as stream:
            parts, sizes = [], iter(np.random.default_rng(row).integers(1, 4, 99).tolist())
            position = 0
            while position < 40:
                size = min(next(sizes), 40 - position)
                part = x[:, position : position + size] if batched else x[position : position + size]
                parts.append(await stream.step(part))
                position += size
                await asyncio.sleep(0.0005 * (row % 3))
            tail = await stream.flush()
            return np.concatenate([*parts, tail if batched else tail[0]], axis=time)

    async def main() -> list[np.ndarray]:
        with model.pool(8, shards=shards) as pool:
            async with pool.serve(max_queue_delay=0.001) as front:
                answers = await asyncio.gather(*(client(front, row) for row in range(8)))
                assert pool.stats()["streams_open"] == 0
                return list(answers)

    for row, answer in enumerate(run(main())):
        np.testing.assert_allclose(answer[0] if batched else answer, whole(model, row), atol=1e-5)


def test_what_arrives_within_the_delay_is_one_tick(model: runtime.Model) -> None:
    async def main() -> tuple[float, float]:
        with model.pool(8) as pool:
            async with pool.serve(max_queue_delay=0.05) as front:
                streams = [await front.open() for _ in range(8)]
                await asyncio.gather(*(stream.step(X[row, :1]) for row, stream in enumerate(streams)))
                stats = front.stats()
                return stats["ticks_total"], stats["last_tick_streams"]

    assert run(main()) == (1, 8)


def test_calls_of_one_stream_keep_their_order(model: runtime.Model, held: threading.Event) -> None:
    async def main() -> list[np.ndarray]:
        with model.pool(2) as pool:
            async with pool.serve() as front:
                stream = await front.open()
                steps = [asyncio.create_task(stream.step(X[0, t : t + 1])) for t in range(40)]
                await asyncio.sleep(0.01)
                tail = asyncio.create_task(stream.flush())
                held.set()
                return [*await asyncio.gather(*steps), (await tail)[0]]

    np.testing.assert_allclose(np.concatenate(run(main())), whole(model, 0), atol=1e-5)


def test_a_full_queue_makes_callers_wait(model: runtime.Model, held: threading.Event) -> None:
    async def main() -> None:
        with model.pool(6) as pool:
            async with pool.serve(max_queue=2) as front:
                streams = [await front.open() for _ in range(6)]
                steps = [asyncio.create_task(stream.step(X[0, :1])) for stream in streams]
                await asyncio.sleep(0.05)
                assert front.stats()["queue_length"] <= 2
                held.set()
                await asyncio.gather(*steps)
                assert pool.stats()["frames_total"] == 6

    run(main())


def test_a_long_prompt_goes_in_pieces_and_holds_up_nobody(model: runtime.Model) -> None:
    async def main() -> tuple[np.ndarray, int, float]:
        with model.pool(2) as pool:
            async with pool.serve(prefill_budget=4) as front:
                long, short = await front.open(), await front.open()
                prompt = asyncio.create_task(long.step(X[0]))
                passed = 0
                for t in range(8):
                    await short.step(X[1, t : t + 1])
                    passed += not prompt.done()
                answer = np.concatenate([await prompt, (await long.flush())[0]])
                return answer, passed, pool.stats()["ticks_total"]

    answer, passed, ticks = run(main())
    np.testing.assert_allclose(answer, whole(model, 0), atol=1e-5)
    assert passed >= 4  # of ten ticks, at least every other has a frame of the short one
    assert ticks >= 10


def test_who_is_cancelled_in_the_queue_was_never_there(model: runtime.Model, held: threading.Event) -> None:
    async def main() -> float:
        with model.pool(2) as pool:
            async with pool.serve() as front:
                one, other = await front.open(), await front.open()
                begun = asyncio.create_task(one.step(X[0, :1]))
                await asyncio.sleep(0.05)  # its tick waits at the gate
                queued = asyncio.create_task(other.step(X[1, :1]))
                await asyncio.sleep(0.01)
                queued.cancel()
                begun.cancel()
                await asyncio.gather(queued, begun, return_exceptions=True)
                held.set()
                parts = [await one.step(X[0, t : t + 1]) for t in range(1, 40)]
                last = await one.flush()
                # Its first frame went in: the stream is one frame further than what was answered.
                np.testing.assert_allclose(np.concatenate([*parts, last[0]]), whole(model, 0), atol=1e-5)
                assert (pool.frames_in(one.slot), pool.frames_in(other.slot)) == (40, 0)
                return pool.stats()["frames_total"]

    assert run(main()) == 40


def test_a_prompt_that_is_cancelled_half_way_is_carried_out(model: runtime.Model) -> None:
    async def main() -> None:
        with model.pool(1) as pool:
            async with pool.serve(prefill_budget=2) as front:
                stream = await front.open()
                prompt = asyncio.create_task(stream.step(X[0, :39]))
                while pool.stats()["frames_total"] == 0:
                    await asyncio.sleep(0.001)
                prompt.cancel()
                await asyncio.gather(prompt, return_exceptions=True)
                answer = np.concatenate([await stream.step(X[0, 39:]), (await stream.flush())[0]])
                np.testing.assert_allclose(answer, whole(model, 0)[38:], atol=1e-5)

    run(main())


def test_frames_that_look_like_no_others_are_still_checked(model: runtime.Model) -> None:
    async def main() -> list[str]:
        with model.pool(2) as pool:
            async with pool.serve() as front, await front.open() as stream:
                for _ in range(2):
                    await stream.step(X[0, :1])
                    await stream.step(X[:1, :2])
                refused = []
                for wrong in (X[0, :1].astype(np.float64), X[0, :1].astype(">f4"), X[0, :1, :1], X[0, :0], X[:2, :1]):
                    with pytest.raises(ShapeError) as error:
                        await stream.step(wrong)
                    refused.append(error.value.what)
                with pytest.raises(NonFiniteInput):
                    await stream.step(np.full_like(X[0, :1], np.nan))
                assert pool.frames_in(0) == 6
                return refused

    refused = run(main())
    assert refused[:2] == ["x of the stream has the wrong dtype"] * 2
    assert len(refused) == 5


def test_an_answer_does_not_keep_the_others_of_its_tick_in_memory(model: runtime.Model) -> None:
    async def main() -> list[np.ndarray]:
        with model.pool(3) as pool:
            async with pool.serve(max_queue_delay=0.005) as front:
                streams = [await front.open() for _ in range(3)]
                return list(await asyncio.gather(*(stream.step(X[row, :5]) for row, stream in enumerate(streams))))

    assert [answer.flags.owndata for answer in run(main())] == [True] * 3


def test_one_callers_mistake_is_nobody_elses(load: Load) -> None:
    model = load(handmade.attention(max_context=3))
    bad = X[0, :1].copy()
    bad[0, 0] = np.nan

    async def main() -> list[Any]:
        with model.pool(6) as pool:
            async with pool.serve(max_queue_delay=0.05) as front:
                fine, shape, nan, full, ended = [await front.open() for _ in range(5)]
                await full.step(X[0, :3])
                await ended.flush()
                steps = (
                    fine.step(X[0, :1]),
                    shape.step(X[0, :1].astype(np.float64)),
                    nan.step(bad),
                    full.step(X[0, :1]),
                    ended.step(X[0, :1]),
                )
                return list(await asyncio.gather(*steps, return_exceptions=True))

    answers = run(main())
    assert isinstance(answers[0], np.ndarray)
    kinds = [type(answer).__name__ for answer in answers[1:]]
    assert kinds == [ShapeError.__name__, NonFiniteInput.__name__, "ContextFull", StreamEnded.__name__]


def test_a_tick_that_fails_is_told_to_all_and_can_be_tried_again(
    model: runtime.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, left = Bindings.run, iter([True])

    def flaky(self: Bindings, *args: Any) -> None:
        if next(left, False):
            raise RuntimeError("device lost")
        step(self, *args)

    monkeypatch.setattr(Bindings, "run", flaky)

    async def main() -> None:
        with model.pool(2) as pool:
            async with pool.serve(max_queue_delay=0.05) as front:
                streams = [await front.open() for _ in range(2)]
                steps = [stream.step(X[row, :1]) for row, stream in enumerate(streams)]
                failures = await asyncio.gather(*steps, return_exceptions=True)
                assert [type(failure) for failure in failures] == [TickFailed, TickFailed]
                parts = [await streams[1].step(X[1, t : t + 1]) for t in range(40)]
                tail = await streams[1].flush()
                np.testing.assert_allclose(np.concatenate([*parts, tail[0]]), whole(model, 1), atol=1e-5)

    run(main())


def test_draining_waits_for_the_last_stream(model: runtime.Model) -> None:
    async def main() -> None:
        with model.pool(2) as pool:
            async with pool.serve() as front:
                stream = await front.open()
                drained = asyncio.create_task(front.drain())
                await asyncio.sleep(0.01)
                with pytest.raises(PoolFull, match="drained"):
                    await front.open()
                assert not drained.done()
                await stream.step(X[0, :1])
                await stream.close()
                await drained
            with pytest.raises(StreamEnded, match="not served any more"):
                await stream.step(X[0, :1])

    run(main())


def test_wishes_that_mean_nothing(model: runtime.Model) -> None:
    with model.pool(1) as pool:
        for wishes in ({"max_queue_delay": -1}, {"max_queue": 0}, {"prefill_budget": 0}):
            with pytest.raises(UsageError, match=next(iter(wishes))):
                pool.serve(**wishes)
