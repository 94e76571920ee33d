"""The shards of a pool and their threads: work for some slots, done where they lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from edgeseq.errors import EdgeseqError
from edgeseq.runtime.devices import Array
from edgeseq.runtime.logs import LOGGER
from edgeseq.runtime.pool.ready import Ready
from edgeseq.runtime.pool.shard import BROKEN, Failure, Shard
from edgeseq.runtime.pool.slots import Slots

Work = Callable[[Shard, Array, slice], Ready]
#: The rows of one shard in some work: its number, the rows, and where their slots are among those asked for.
Part = tuple[int, Array, slice]


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

    def run(self, parts: Sequence[Part], work: Work) -> list[Ready | Exception]:
        """``work`` for each part: what it made ready, or how it failed. A shard whose thread is gone is given up."""
        if not self._threads:
            return [_one(lambda: work(self.shards[0], parts[0][1], parts[0][2]))]
        futures = [self._begin(part, work) for part in parts]
        try:
            found = [_one(future.result) if isinstance(future, Future) else future for future in futures]
        except BaseException:
            self._abandon(parts, futures)
            raise
        for (shard, _, _), one in zip(parts, found, strict=True):
            if isinstance(one, Exception) and not isinstance(one, (Failure, EdgeseqError)):
                LOGGER.error("shard %d of the pool died: %s", shard, one)
                self.shards[shard].lose()
                self._slots.lose(shard)
        return found

    def _begin(self, part: Part, work: Work) -> Future[Ready] | Exception:
        shard, rows, cut = part
        try:
            return self._threads[shard].submit(work, self.shards[shard], rows, cut)
        except RuntimeError as error:
            return error

    def _abandon(self, parts: Sequence[Part], futures: Sequence[Future[Ready] | Exception]) -> None:
        """End the streams whose answers nobody will get: their shard goes on while the caller is interrupted."""
        for (shard, rows, _), future in zip(parts, futures, strict=True):
            if isinstance(future, Future) and not future.cancel() and isinstance(_one(future.result), Ready):
                self.shards[shard].state[rows] = BROKEN

    def stop(self) -> None:
        """End the threads, once they are done."""
        for thread in self._threads:
            thread.shutdown(wait=True)


def _one(work: Callable[[], Ready]) -> Ready | Exception:
    """What ``work`` gives, or its failure; a refusal or a failure of one shard is not the end of the others."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001  it is told apart and raised by the pool
        return error
