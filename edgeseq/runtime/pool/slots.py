"""Which slots of a pool are free, in which shard each lies, and since when nothing came for it."""

from __future__ import annotations

import heapq
import itertools

import numpy as np

from edgeseq.runtime.devices import Array


class Slots:
    """``capacity`` slots in ``shards`` ranges of ``each``; a stream gets the lowest slot of the emptiest shard.

    ``generation[slot]`` counts the streams that it has had.
    """

    def __init__(self, capacity: int, shards: int) -> None:
        self.each = -(-capacity // shards)
        self._free = [list(range(first, min(first + self.each, capacity))) for first in range(0, capacity, self.each)]
        self.sizes = tuple(len(free) for free in self._free)
        self._used = np.zeros(capacity)
        self.generation = np.zeros(capacity, np.int64)
        self._open = np.zeros(capacity, bool)
        self._gone: set[int] = set()

    @property
    def open(self) -> int:
        """How many are taken."""
        return int(np.count_nonzero(self._open))

    def take(self, now: float) -> int | None:
        """A free slot, None where there is none."""
        shards = [shard for shard in range(len(self._free)) if self._free[shard] and shard not in self._gone]
        if not shards:
            return None
        slot = heapq.heappop(self._free[max(shards, key=lambda shard: len(self._free[shard]))])
        self._open[slot], self._used[slot] = True, now
        return slot

    def give_back(self, slot: int) -> None:
        """Free a slot."""
        self._open[slot] = False
        self.generation[slot] += 1
        heapq.heappush(self._free[slot // self.each], slot)

    def lose(self, shard: int) -> None:
        """Hand out no more slots of a shard."""
        self._gone.add(shard)

    def touch(self, slots: Array, now: float) -> None:
        """Something came for these."""
        self._used[slots] = now

    def idle(self, before: float) -> list[int]:
        """Those for which nothing came since ``before``."""
        return np.flatnonzero(self._open & (self._used < before)).tolist()

    def by_shard(self, slots: Array) -> list[tuple[int, slice]]:
        """Ascending slots cut where one shard ends and the next begins."""
        if len(self._free) == 1:
            return [(0, slice(0, len(slots)))]
        edges = np.searchsorted(slots, np.arange(len(self._free) + 1) * self.each).tolist()
        cuts = [slice(first, last) for first, last in itertools.pairwise(edges)]
        return [(shard, cut) for shard, cut in enumerate(cuts) if cut.start < cut.stop]
