"""The asyncio front of a pool: what its streams are given within a moment becomes one tick."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any

from edgeseq.errors import StreamEnded, UsageError
from edgeseq.runtime.devices import Array
from edgeseq.runtime.pool.forms import Forms
from edgeseq.runtime.pool.requests import Request, choose
from edgeseq.runtime.pool.together import Chosen, carried_out

if TYPE_CHECKING:
    from edgeseq.runtime.pool.pool import Pool

#: Seconds between two looks for streams that were closed by somebody else.
_LOOK = 0.05


class AsyncPool:
    """A pool for the coroutines of one event loop, made by ``Pool.serve``; leave it with ``async with``, or ``close``.

    A tick runs in a thread of its own. What is asked while it runs makes the next one.
    """

    def __init__(self, pool: Pool, max_queue_delay: float, max_queue: int, prefill_budget: int | None) -> None:
        """As ``Pool.serve``."""
        _check(max_queue_delay, max_queue, prefill_budget)
        self.pool = pool
        self._delay = max_queue_delay
        self._budget = prefill_budget
        self._forms = Forms(pool)
        self._places = asyncio.Semaphore(max_queue)
        self._queue: list[Request] = []
        self._arrived = asyncio.Event()
        self._closed_one = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "edgeseq-ticks")
        self._server: asyncio.Task[None] | None = None
        self._stopped = False
        self._waited = 0.0

    async def open(self, conditioning: Mapping[str, Array] | None = None) -> AsyncStream:
        """A new stream; raises what ``Pool.open`` raises. Where the caller is cancelled, it is closed again."""
        self._check_served()
        opened = asyncio.ensure_future(self._in_thread(lambda: self.pool.open(conditioning)))
        try:
            return AsyncStream(self, await asyncio.shield(opened))
        except asyncio.CancelledError:
            opened.add_done_callback(self._unwanted)
            raise

    def _unwanted(self, opened: asyncio.Future[int]) -> None:
        if not opened.cancelled() and opened.exception() is None:
            self.pool.close(opened.result())

    async def drain(self) -> None:
        """Take no more streams, and wait until those that are open have been closed."""
        self.pool.drain()
        while len(self.pool):
            self._closed_one.clear()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._closed_one.wait(), _LOOK)
            self.pool.sweep()

    async def close(self) -> None:
        """Stop serving once the tick that runs is through; what waits in the queue gets StreamEnded."""
        self._stopped = True
        self._arrived.set()
        if self._server is not None:
            await asyncio.wait([self._server])
        self._thread.shutdown(wait=True)

    def stats(self) -> dict[str, float]:
        """Those of the pool, and of the queue in front of it."""
        return {**self.pool.stats(), "queue_length": len(self._queue), "gather_seconds_total": self._waited}

    async def __aenter__(self) -> AsyncPool:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def step(self, slot: int, generation: int, frames: Any) -> Any:
        """The answer to a step of one stream, as ``AsyncStream.step``."""
        given, count, batched = self._forms.take(frames)
        return await self._ask(lambda answer: Request(slot, generation, answer, None, given, count, batched))

    async def do(self, slot: int, generation: int, work: Callable[[], Any]) -> Any:
        """What ``work`` gives for one stream, in its turn among the stream's steps."""
        answer = await self._ask(lambda answer: Request(slot, generation, answer, work))
        self._closed_one.set()
        return answer

    async def _ask(self, make: Callable[[asyncio.Future[Any]], Request]) -> Any:
        """Queue a request and wait for its answer; for a place in the queue first, where it is full.

        Where the caller is cancelled before a tick has begun on it the request is taken back; afterwards it is carried
        out to its end, and its answer dropped.
        """
        self._check_served()
        async with self._places:
            self._check_served()
            loop = asyncio.get_running_loop()
            request = make(loop.create_future())
            self._queue.append(request)
            self._arrived.set()
            if self._server is None or self._server.done():
                self._server = loop.create_task(self._serve())
            try:
                return await request.answer
            except asyncio.CancelledError:
                if not request.begun and request in self._queue:
                    self._queue.remove(request)
                raise

    async def _serve(self) -> None:
        """Tick while there is something to do. However it ends, nobody is left waiting."""
        begun: list[Chosen] = []
        try:
            while not self._stopped:
                await self._arrived.wait()
                await self._gather()
                begun = self._begun()
                if begun:
                    await self._tick(begun)
        finally:
            gone = StreamEnded("the pool is not served any more")
            for request in [*(request for request, _ in begun), *self._queue]:
                request.give(0, gone, self.pool.outputs)
            self._queue.clear()

    def _begun(self) -> list[Chosen]:
        """What goes into this tick; what is wholly in it leaves the queue."""
        chosen = choose(self._queue, self._budget, self.pool.model.contract.chunk.multiple)
        for request, _ in chosen:
            request.begun = True
        whole = {id(request) for request, count in chosen if count == request.left}
        self._queue = [request for request in self._queue if id(request) not in whole]
        if not self._queue:
            self._arrived.clear()
        return chosen

    async def _gather(self) -> None:
        """Wait a moment for others, unless every open stream has asked for something."""
        if self._delay and not self._stopped and len({request.slot for request in self._queue}) < len(self.pool):
            begun = time.perf_counter()
            await asyncio.sleep(self._delay)
            self._waited += time.perf_counter() - begun

    async def _tick(self, chosen: list[Chosen]) -> None:
        try:
            answers = await self._in_thread(lambda: carried_out(self.pool, chosen))
        except Exception as error:  # noqa: BLE001  whoever asked must hear of it, and the loop must go on
            answers = [error] * len(chosen)
        for (request, count), answer in zip(chosen, answers, strict=True):
            queued = count < request.left
            try:
                through = request.give(count, answer, self.pool.outputs)
            except MemoryError as error:
                through = request.give(0, error, self.pool.outputs)
            if through and queued:
                self._queue.remove(request)

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _check_served(self) -> None:
        if self._stopped:
            raise StreamEnded("the pool is not served any more", do="call pool.serve() again")


class AsyncStream:
    """One stream of a served pool. Its calls are carried out in the order in which they were made."""

    def __init__(self, front: AsyncPool, slot: int) -> None:
        self._front = front
        self._generation = front.pool.generation(slot)
        self._closed = False
        self.slot = slot

    async def step(self, frames: Any = None, /, **named: Any) -> Any:
        """Take any k >= 1 frames of this stream and return those that are ready, as ``Stream.step`` does.

        ``frames`` may leave the batch axis out; then the answer has none either. What is cancelled while it waits has
        never been; what a tick has begun is carried out to its end, its answer dropped.
        """
        return await self._front.step(self.slot, self._generation, named if frames is None else frames)

    async def flush(self) -> Any:
        """What is still owed, with a batch axis of one; the stream takes no more frames until ``reset``."""
        return await self._do(lambda: self._front.pool.flush([self.slot]))

    async def reset(self) -> None:
        """Start anew, with the same conditioning."""
        await self._do(lambda: self._front.pool.reset(self.slot))

    async def close(self) -> None:
        """End the stream and free its slot; closing twice is closing once."""
        if not self._closed:
            self._closed = True
            await self._do(lambda: self._front.pool.close(self.slot))

    async def _do(self, work: Callable[[], Any]) -> Any:
        return await self._front.do(self.slot, self._generation, work)

    async def __aenter__(self) -> AsyncStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(StreamEnded):  # it may have been closed for being idle, or the pool with it
            await self.close()

    def __repr__(self) -> str:
        return f"AsyncStream(slot {self.slot})"


def _check(max_queue_delay: object, max_queue: object, prefill_budget: object) -> None:
    if not isinstance(max_queue_delay, (int, float)) or not 0 <= max_queue_delay <= 60:
        raise UsageError("max_queue_delay must be from 0 to 60 seconds", got=repr(max_queue_delay))
    if type(max_queue) is not int or max_queue < 1:
        raise UsageError("max_queue must be a whole number of requests from 1", got=repr(max_queue))
    if prefill_budget is not None and (type(prefill_budget) is not int or prefill_budget < 1):
        raise UsageError("prefill_budget must be a whole number of frames from 1, or None", got=repr(prefill_budget))
