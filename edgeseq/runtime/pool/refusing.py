"""Why a slot takes no frames."""

from __future__ import annotations

import numpy as np

from edgeseq.errors import ContextFull, StreamEnded
from edgeseq.runtime.devices import Array
from edgeseq.runtime.pool.crew import Crew
from edgeseq.runtime.pool.shard import BROKEN, ENDED, FREE, OPEN

_WHY = {
    FREE: "no stream is open in it",
    ENDED: "flush was called",
    BROKEN: "its last step failed or was interrupted half way through",
}


def shut_down() -> StreamEnded:
    """What to raise for everything that is asked of a pool that is closed."""
    return StreamEnded("the pool was shut down", do="make another with model.pool")


def check_open(crew: Crew | None, slots: Array) -> None:
    """StreamEnded where one of ascending slots takes no frames."""
    if crew is None:
        raise _refused(int(slots[0]), FREE)
    for shard, rows, cut in crew.parts(slots):
        states = crew.shards[shard].state[rows]
        wrong = np.flatnonzero(states != OPEN)
        if wrong.size:
            raise _refused(int(slots[cut][wrong[0]]), int(states[wrong[0]]))


def check_taken(crew: Crew | None, slots: Array) -> None:
    """StreamEnded where one of ascending slots has no stream at all."""
    if crew is None:
        raise StreamEnded(f"slot {int(slots[0])} has no stream", do="open one: slot = pool.open()")
    for shard, rows, cut in crew.parts(slots):
        wrong = np.flatnonzero(crew.shards[shard].state[rows] == FREE)
        if wrong.size:
            raise StreamEnded(f"slot {int(slots[cut][wrong[0]])} has no stream", do="open one: slot = pool.open()")


def _refused(slot: int, state: int) -> StreamEnded:
    do = f"call reset({slot}) to start anew, or close({slot})" if state != FREE else "open one: slot = pool.open()"
    return StreamEnded(f"slot {slot} takes no frames", why=_WHY[state], do=do)


def check_context(crew: Crew, slots: Array, counts: Array, limit: int | None) -> None:
    """ContextFull where a stream would get longer than there is room for."""
    if limit is None:
        return
    for shard, rows, cut in crew.parts(slots):
        ends = crew.shards[shard].position(rows).sum(axis=0) + counts[cut]
        over = np.flatnonzero(ends > limit)
        if over.size:
            slot = int(slots[cut][over[0]])
            raise ContextFull(
                "a stream of the pool is full",
                where=f"slot {slot}",
                got=f"{int(ends[over[0]])} base frames",
                wanted=f"at most {limit}",
                do=f"flush, reset or close slot {slot}, and step the others without it",
            )
