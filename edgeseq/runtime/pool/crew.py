"""The shards of a pool and their threads: work for some slots, done where they lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from edgeseq.errors import EdgeseqError
from edgeseq.runtime.devices import Array
from edgeseq.runtime.logs import LOGGER
from edgeseq.runtime.pool.ready import Ready
from edgeseq.runtime.pool.shard import Failure, Shard
from edgeseq.runtime.pool.slots import Slots

Work = Callable[[Shard, Array, slice], Ready]
#: The rows of one shard in some work: its number, the rows, and where their slots are among those asked for.
Part = tuple[int, Array, slice]
#: What a part of some work made ready, or how it failed.
Found = Ready | Failure | EdgeseqError


class Crew:
    """Shards, and a thread for each where there are several."""

    def __init__(self, shards: Sequence[Shard], slots: Slots) -> None:
        self.shards = shards
        self._slots = slots
        several = len(shards) > 1
        self._threads = [ThreadPoolExecutor(1, f"edgeseq-shard-{i}") for i in range(len(shards))] if several else []

    def parts(self, slots: Array) -> list[Part]:
        """Ascending slots by shard."""
        return [(shard, slots[cut] % self._slots.each, cut) for shard, cut in self._slots.by_shard(slots)]

    def run(self, parts: Sequence[Part], work: Work) -> list[Found]:
        """``work`` for each part. Whatever interrupts the caller, all threads are done when this is left."""
        if not self._threads:
            return [_one(lambda: work(self.shards[0], parts[0][1], parts[0][2]))]
        futures = [self._begin(part, work) for part in parts]
        try:
            return [_one(future.result) if isinstance(future, Future) else future for future in futures]
        finally:
            wait([future for future in futures if isinstance(future, Future)])

    def _begin(self, part: Part, work: Work) -> Future[Ready] | Failure:
        shard, rows, cut = part
        try:
            return self._threads[shard].submit(work, self.shards[shard], rows, cut)
        except RuntimeError as error:
            LOGGER.error("shard %d of the pool has lost its thread: %s", shard, error)
            self._slots.lose(shard)
            self.shards[shard].lose()
            return Failure(error)

    def stop(self) -> None:
        """End the threads, once they are done."""
        for thread in self._threads:
            thread.shutdown(wait=True)


def _one(work: Callable[[], Ready]) -> Found:
    """What ``work`` gives, or its failure: one shard's is not the end of the others."""
    try:
        return work()
    except (Failure, EdgeseqError) as told:
        return told
    except MemoryError as error:
        return Failure(error)
