"""Streams without a pool, behind the calls that the servers make of one: what the pool is compared with."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import numpy as np

from edgeseq.errors import EdgeseqError, PoolFull, TickFailed
from edgeseq.runtime import Model, Stream


class Singles:
    """Up to ``capacity`` streams of their own, stepped one after the other. Used as a pool is."""

    def __init__(self, model: Model, capacity: int) -> None:
        self._model = model
        self._free = list(range(capacity))
        self.streams: dict[int, Stream] = {}

    def open(self) -> int:
        """A new stream; PoolFull where there are ``capacity`` already."""
        if not self._free:
            raise PoolFull("the server is full", got=f"{len(self.streams):,} open streams")
        slot = self._free.pop()
        self.streams[slot] = self._model.stream()
        return slot

    def close(self, slot: int) -> None:
        """End a stream and free its slot."""
        self.streams.pop(slot).close()
        self._free.append(slot)

    def step(self, slots: np.ndarray, frames: np.ndarray) -> list[Any]:
        """An answer for each slot, without a batch axis. As a pool does: TickFailed where some have been stepped."""
        answers: dict[int, Any] = {}
        for slot, row in zip(slots.tolist(), frames, strict=True):
            try:
                answer: Any = self.streams[slot].step(row[None])
                answers[slot] = answer[0]
            except EdgeseqError as error:
                if not answers:
                    raise
                raise TickFailed(error.what, answers=answers, ended=()) from error
        return list(answers.values())


class Alone:
    """The same, used as a pool's asyncio front is."""

    def __init__(self, model: Model, capacity: int) -> None:
        self._singles = Singles(model, capacity)

    async def open(self) -> contextlib.AbstractAsyncContextManager[AloneStream]:
        """A new stream; PoolFull where there are ``capacity`` already."""
        return self._left(self._singles.open())

    @contextlib.asynccontextmanager
    async def _left(self, slot: int) -> AsyncIterator[AloneStream]:
        try:
            yield AloneStream(self._singles.streams[slot])
        finally:
            self._singles.close(slot)

    async def __aenter__(self) -> Alone:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


class AloneStream:
    """One of them."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    async def step(self, frames: Any) -> Any:
        """As ``Stream.step``; nobody else is served meanwhile."""
        return self._stream.step(frames)
