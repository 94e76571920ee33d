"""The streams of a tick while it works on them."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

import numpy as np

from edgeseq.errors import TickFailed
from edgeseq.runtime.devices import Array
from edgeseq.runtime.pool.crew import Part
from edgeseq.runtime.pool.shard import BROKEN, OPEN, Shard


class UnderWay:
    """Marks rows as broken until the tick is done, so that whatever ends it early, none goes on from the wrong place.

    After an error those that have not moved are open again, those whose answers a TickFailed holds are what the tick
    makes of them, ``after``; the others stay broken.
    """

    def __init__(self, shards: Sequence[Shard], parts: Sequence[Part], slots: Array, after: int = OPEN) -> None:
        self._parts = [(shards[shard], rows, slots[cut]) for shard, rows, cut in parts]
        self._after = after
        self._before = [shard.position(rows) for shard, rows, _ in self._parts]

    def __enter__(self) -> UnderWay:
        for shard, rows, _ in self._parts:
            shard.state[rows] = BROKEN
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            for shard, rows, _ in self._parts:
                shard.state[rows] = self._after
            return
        told = list(error.answers) if isinstance(error, TickFailed) else []
        for (shard, rows, slots), moved in zip(self._parts, self._moved(), strict=True):
            if shard.lost:
                continue
            through = moved & np.isin(slots, told)
            shard.state[rows] = np.where(moved, np.where(through, self._after, BROKEN), OPEN)

    def _moved(self) -> list[Array]:
        places = [shard.position(rows) for shard, rows, _ in self._parts]
        lost = [shard.lost for shard, _, _ in self._parts]
        return [(now != then).any(axis=0) | gone for now, then, gone in zip(places, self._before, lost, strict=True)]

    def ended(self) -> list[int]:
        """The slots that have moved, or that nobody runs any more."""
        each = [slots[moved] for (_, _, slots), moved in zip(self._parts, self._moved(), strict=True)]
        return [int(slot) for slots in each for slot in slots]
