"""Streams without a pool, opened like those of its asyncio front: what the pool is compared with."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from edgeseq.errors import PoolFull
from edgeseq.runtime import Model, Stream


class Alone:
    """Up to ``capacity`` streams of their own, each stepped by itself when its frame comes."""

    def __init__(self, model: Model, capacity: int) -> None:
        self._model = model
        self._capacity = capacity
        self._count = 0

    async def open(self) -> contextlib.AbstractAsyncContextManager[AloneStream]:
        """A new stream; PoolFull where there are ``capacity`` already."""
        if self._count >= self._capacity:
            raise PoolFull("the server is full", got=f"{self._count:,} open streams")
        self._count += 1
        return self._opened()

    @contextlib.asynccontextmanager
    async def _opened(self) -> AsyncIterator[AloneStream]:
        try:
            with self._model.stream() as stream:
                yield AloneStream(stream)
        finally:
            self._count -= 1

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
