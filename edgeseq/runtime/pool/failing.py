"""What is raised when a tick failed in some shards: which streams went through all the same, which have ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from edgeseq.contract import Port
from edgeseq.errors import EdgeseqError, TickFailed
from edgeseq.runtime.devices import Array
from edgeseq.runtime.engine import first_line
from edgeseq.runtime.pool.crew import Found
from edgeseq.runtime.pool.ready import Ready
from edgeseq.runtime.pool.shard import Failure

OneOrDict = Callable[[dict[str, Any]], Any]


def failure(
    ports: tuple[Port, ...],
    slots: Sequence[Array],
    found: Sequence[Found],
    ended: Callable[[], list[int]],
    shown: OneOrDict,
) -> EdgeseqError:
    """The error for a tick in which some of ``found``, one for the slots of each shard, are failures.

    A refusal by all shards is itself: nothing was stepped. ``ended`` tells the slots that have moved.
    """
    refused = [one for one in found if isinstance(one, EdgeseqError)]
    if len(refused) == len(found):
        return refused[0]
    answers: dict[int, Any] = {}
    for own, one in zip(slots, found, strict=True):
        answers |= _answers(ports, own, one, shown)
    first = next(one for one in found if not isinstance(one, Ready))
    cause = first.error if isinstance(first, Failure) else first
    return tick_failed(cause, answers, [slot for slot in ended() if slot not in answers])


def _answers(ports: tuple[Port, ...], slots: Array, found: Found, shown: OneOrDict) -> dict[int, Any]:
    """The answers of the slots that went through, without a batch axis."""
    ready = found.ready if isinstance(found, Failure) else found
    if not isinstance(ready, Ready):
        return {}
    places = found.applied.tolist() if isinstance(found, Failure) else range(len(slots))
    rows = {port.name: ready.rows(port) for port in ports} if len(places) else {}
    return {int(slots[at]): shown({name: row[at] for name, row in rows.items()}) for at in places}


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
