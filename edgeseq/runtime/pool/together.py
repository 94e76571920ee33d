"""Several requests as one step of a pool, none of them at the expense of another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeseq.errors import EdgeseqError, StreamEnded, TickFailed
from edgeseq.runtime.devices import Array
from edgeseq.runtime.pool.asked import side_by_side
from edgeseq.runtime.pool.merged import rows_of
from edgeseq.runtime.pool.requests import Request
from edgeseq.runtime.pool.stores import batch_axis
from edgeseq.runtime.schedule import along, frames_of

if TYPE_CHECKING:
    from edgeseq.runtime.pool.pool import Pool

Chosen = tuple[Request, int]


def carried_out(pool: Pool, chosen: Sequence[Chosen]) -> list[Any]:
    """The answer to each request, or what it raises: steps as one tick, then all other work in turn."""
    answers: dict[int, Any] = {}
    steps: list[Chosen] = []
    for request, count in chosen:
        refused = _refused(pool, request, count)
        if refused is not None:
            answers[id(request)] = refused
        elif request.work is None:
            steps.append((request, count))
    for (request, _), answer in zip(steps, _stepped(pool, steps) if steps else [], strict=True):
        answers[id(request)] = answer
    for request, _ in chosen:
        if id(request) not in answers and request.work is not None:
            answers[id(request)] = _or_error(request.work)
    return [answers[id(request)] for request, _ in chosen]


def _refused(pool: Pool, request: Request, count: int) -> EdgeseqError | None:
    """Why a request is not begun: its stream is gone, or something later in a long step would not do."""
    if pool.generation(request.slot) != request.generation:
        return StreamEnded("this stream was closed", why="its slot is free, or another's", do="open another")
    if request.work is None and not request.done and count < request.count:
        refused = _or_error(lambda: pool.check(request.slot, request.frames))
        return refused if isinstance(refused, EdgeseqError) else None
    return None


def _or_error(work: Callable[[], Any]) -> Any:
    """What some work gives, or what it raises: other answers of the tick must not be lost with it."""
    try:
        return work()
    except (EdgeseqError, MemoryError) as error:
        return error


def _stepped(pool: Pool, steps: Sequence[Chosen]) -> list[Any]:
    """One step for all; where the pool refuses it, one for each, so that nobody pays for another's mistake.

    Where a later part of a long step fails, its stream has ended: what was asked for cannot be taken back.
    """
    answers = _together(pool, steps)
    for at, (request, _) in enumerate(steps):
        if isinstance(answers[at], TickFailed) and request.done:
            pool.abandon(request.slot)
            answers[at] = _half_way(answers[at])
    return answers


def _together(pool: Pool, steps: Sequence[Chosen]) -> list[Any]:
    try:
        return _step(pool, steps)
    except TickFailed as failed:
        return [_after(pool, failed, request) for request, _ in steps]
    except EdgeseqError as error:
        return [error] if len(steps) == 1 else [answer for step in steps for answer in _together(pool, [step])]


def _step(pool: Pool, steps: Sequence[Chosen]) -> list[Any]:
    frames = {port.name: side_by_side(port, [_part(port, *step) for step in steps]) for port in pool.ports}
    slots = np.array([request.slot for request, _ in steps], np.int32)
    counts = np.array([count for _, count in steps], np.int32)
    answer = pool.step(slots, frames, None if (counts == counts[0]).all() else counts)
    named = answer if len(pool.outputs) > 1 else {pool.outputs[0].name: answer}
    batched = [request.batched for request, _ in steps]
    each = [rows_of(port, named[port.name], batched) for port in pool.outputs]
    names = [port.name for port in pool.outputs]
    return [dict(zip(names, rows, strict=True)) for rows in zip(*each, strict=True)]


def _part(port: Any, request: Request, count: int) -> Array:
    if count == request.count:
        return request.frames[port.name]
    first, last = (frames_of(port, base_frames) for base_frames in (request.done, request.done + count))
    return request.frames[port.name][along(port.time_axis or 0, first, last)]


def _after(pool: Pool, failed: TickFailed, request: Request) -> Any:
    """What a tick that failed is to one of its requests."""
    if request.slot in failed.ended:
        return _half_way(failed)
    if request.slot not in failed.answers:
        return failed
    answer = failed.answers[request.slot]
    named = answer if len(pool.outputs) > 1 else {pool.outputs[0].name: answer}
    axes = {port.name: batch_axis(port.name, port.shape) for port in pool.outputs}
    return {name: np.expand_dims(row, axes[name]) if request.batched else row for name, row in named.items()}


def _half_way(failed: TickFailed) -> StreamEnded:
    return StreamEnded("a step of this stream failed half way through", why=failed.why, do="reset it, or close it")
