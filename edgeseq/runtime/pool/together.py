"""Several requests as one step of a pool, none of them at the expense of another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeseq.errors import EdgeseqError, StreamEnded, TickFailed
from edgeseq.runtime.devices import Array
from edgeseq.runtime.pool.asked import side_by_side
from edgeseq.runtime.pool.merged import row_of
from edgeseq.runtime.pool.requests import Request
from edgeseq.runtime.schedule import along, frames_of

if TYPE_CHECKING:
    from edgeseq.runtime.pool.pool import Pool

Chosen = tuple[Request, int]


def carried_out(pool: Pool, chosen: Sequence[Chosen]) -> list[Any]:
    """The answer to each request, or what it raises: steps as one tick, then all other work in turn."""
    steps = [one for one in chosen if one[0].work is None]
    answers = dict(zip(map(id, steps), _stepped(pool, steps) if steps else [], strict=True))
    return [answers[id(one)] if one[0].work is None else _or_error(one[0].work) for one in chosen]


def _or_error(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except EdgeseqError as error:
        return error


def _stepped(pool: Pool, steps: Sequence[Chosen]) -> list[Any]:
    """One step for all; where the pool refuses it, one for each, so that nobody pays for another's mistake."""
    try:
        return _step(pool, steps)
    except TickFailed as failed:
        return [_after(pool, failed, request) for request, _ in steps]
    except EdgeseqError as error:
        return [error] if len(steps) == 1 else [answer for step in steps for answer in _stepped(pool, [step])]


def _step(pool: Pool, steps: Sequence[Chosen]) -> list[Any]:
    frames = {port.name: side_by_side(port, [_part(port, *step) for step in steps]) for port in pool.ports}
    slots = np.array([request.slot for request, _ in steps], np.int32)
    counts = np.array([count for _, count in steps], np.int32)
    answer = pool.step(slots, frames, None if (counts == counts[0]).all() else counts)
    named = answer if len(pool.outputs) > 1 else {pool.outputs[0].name: answer}
    return [
        {port.name: row_of(port, named[port.name], at, request.batched) for port in pool.outputs}
        for at, (request, _) in enumerate(steps)
    ]


def _part(port: Any, request: Request, count: int) -> Array:
    first, last = (frames_of(port, base_frames) for base_frames in (request.done, request.done + count))
    return request.frames[port.name][along(port.time_axis or 0, first, last)]


def _after(pool: Pool, failed: TickFailed, request: Request) -> Any:
    """What a tick that failed is to one of its requests."""
    if request.slot in failed.ended:
        return StreamEnded("a step of this stream failed half way through", why=failed.why, do="reset it, or close it")
    if request.slot not in failed.answers:
        return failed
    answer = failed.answers[request.slot]
    named = answer if len(pool.outputs) > 1 else {pool.outputs[0].name: answer}
    axes = {port.name: port.shape.index("batch") for port in pool.outputs}
    return {name: np.expand_dims(row, axes[name]) if request.batched else row for name, row in named.items()}
