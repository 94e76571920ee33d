"""What is raised when a tick failed in some shards: which streams went through all the same, which have ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from edgeseq.contract import Port
from edgeseq.errors import EdgeseqError, TickFailed
from edgeseq.runtime.devices import Array
from edgeseq.runtime.engine import first_line
from edgeseq.runtime.pool.ready import Ready
from edgeseq.runtime.pool.shard import Failure


def failure(
    ports: tuple[Port, ...],
    slots: Sequence[Array],
    found: Sequence[Ready | Exception],
    one_or_dict: Callable[[dict[str, Any]], Any],
) -> EdgeseqError:
    """The error for a tick in which some of ``found``, one for the slots of each shard, are failures.

    A refusal by all shards is itself: nothing was stepped.
    """
    refused = [one for one in found if isinstance(one, EdgeseqError)]
    if len(refused) == len(found):
        return refused[0]

    def answers(own: Array, ready: Ready, places: Iterable[int]) -> dict[int, Any]:
        rows = {port.name: ready.rows(port) for port in ports}
        return {int(own[at]): one_or_dict({name: row[at] for name, row in rows.items()}) for at in places}

    given: dict[int, Any] = {}
    ended: list[int] = []
    for own, one in zip(slots, found, strict=True):
        if isinstance(one, Ready):
            given |= answers(own, one, range(len(own)))
        elif isinstance(one, Failure):
            given |= answers(own, one.ready, one.applied.tolist())
            ended += own[one.broken].tolist()
        elif not isinstance(one, EdgeseqError):
            ended += own.tolist()
    first = next(one for one in found if isinstance(one, Exception))
    return tick_failed(first.error if isinstance(first, Failure) else first, given, ended)


def tick_failed(cause: Exception, answers: dict[int, Any], ended: Sequence[int]) -> TickFailed:
    """A tick that failed for ``cause``."""
    told = f"the answers of {len(answers)} slots that went through are in .answers; " if answers else ""
    if ended:
        some = ", ".join(map(str, ended[:5])) + (f" and {len(ended) - 5} more" if len(ended) > 5 else "")
        told += f"reset or close slots {some}, which were half way through; "
    return TickFailed(
        "there is no memory for this step" if isinstance(cause, MemoryError) else "a step of the pool failed",
        why=first_line(cause),
        do=f"{told}all other streams are unchanged",
        answers=answers,
        ended=ended,
    )
