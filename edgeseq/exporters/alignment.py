"""Time arithmetic shared by all rules: delay lines, heads, both ends of the stream.

The formulas are those of ``docs/transform.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import TYPE_CHECKING

import torch

from edgeseq.contract import Initial, Length
from edgeseq.exporters.copies import copied_in
from edgeseq.exporters.facts import Head, Timed
from edgeseq.exporters.symbols import Size, simplest

if TYPE_CHECKING:
    from edgeseq.exporters.step import Step

Dated = tuple[torch.Tensor, Timed]


def frames_in(step: Step, value: torch.Tensor, fact: Timed) -> int:
    """Frames that this call's value holds."""
    size = value.shape[fact.axis + fact.rowed]
    return size // (step.size(fact.outer) * step.size(fact.inner)) if fact.folded else size


def unfold(step: Step, value: torch.Tensor, fact: Timed) -> Dated:
    """The value with an axis of its own for time: ``outer * T * inner`` becomes ``T``, ``outer, T`` and so on."""
    if not fact.folded:
        return value, fact
    whole = simplest(fact.shape[fact.axis])
    parts: list[Size] = [size for size in (fact.outer, None, fact.inner) if size is None or size != 1]
    place = parts.index(None)
    time = simplest(whole / simplest(fact.outer * fact.inner)) if not isinstance(whole, int) else whole
    parts[place] = time
    shape = (*fact.shape[: fact.axis], *parts, *fact.shape[fact.axis + 1 :])
    flat = fact.with_(shape=shape, axis=fact.axis + place, outer=1, inner=1)
    reshaped = value.reshape(step.sizes(flat, frames_in(step, value, fact), value.shape[0] if fact.rowed else None))
    return reshaped, step.on_head(flat, fact.head, lambda head, frames: head.reshape(step.head_sizes(flat, frames)))


def refold(step: Step, value: torch.Tensor, fact: Timed, like: Timed) -> Dated:
    """Undo :func:`unfold`: back to the axes of ``like``."""
    if not like.folded:
        return value, fact
    folded = like.with_(delay=fact.delay, head=None)
    frames = frames_in(step, value, fact)
    reshaped = value.reshape(step.sizes(folded, frames, value.shape[0] if fact.rowed else None))
    return reshaped, step.on_head(folded, fact.head, lambda head, n: head.reshape(step.head_sizes(folded, n)))


def delay(step: Step, value: torch.Tensor, fact: Timed, frames: int) -> Dated:
    """The value ``frames`` frames later: a delay line, which starts out holding the last frames of the head."""
    if frames == 0:
        return value, fact
    if fact.copied:
        due = fact.delay + frames
        value, fact = copied_in(step, value, fact)
        return delay(step, value, fact, max(0, due - fact.delay))
    if fact.uniform:
        return value, fact.with_(delay=fact.delay + frames)
    if fact.head and step.start_of(fact) is None:
        due = fact.delay + frames
        value, fact = settle(step, value, fact)
        return delay(step, value, fact, max(0, due - fact.delay))
    flat, flat_fact = unfold(step, value, fact)
    late, late_fact = _delay_line(step, flat, flat_fact, frames)
    return refold(step, late, late_fact, fact)


def _delay_line(step: Step, value: torch.Tensor, fact: Timed, frames: int) -> Dated:
    axis = fact.axis + fact.rowed
    start = step.start_of(fact) if fact.head else 0
    line = step.state(
        "delay",
        kind="delay",
        shape=step.with_rows(fact, (*fact.shape[: fact.axis], frames, *fact.shape[fact.axis + 1 :])),
        dtype=value.dtype,
        start=start or 0,
        initial=last_frames(fact, frames),
    )
    joined = torch.cat([line.value, value], axis)
    now = value.shape[axis]
    line.next = joined.narrow(axis, now, frames)
    kept = max(0, fact.head_frames - frames)
    head = _first_frames(fact, kept) if kept else None
    return joined.narrow(axis, 0, now), fact.with_(delay=fact.delay + frames, head=head)


def last_frames(fact: Timed, frames: int, fill: float = 0.0) -> torch.Tensor | Initial | None:
    """What a history of ``frames`` frames holds before the first real one: the end of the head, ``fill`` before it."""
    if fact.head is None or fact.head.value is None:
        return torch.full([1] * len(fact.shape), fill) if fill else None
    head = fact.head.value
    if fact.head.frames >= frames:
        return head.narrow(fact.axis, fact.head.frames - frames, frames)
    shape = list(head.shape)
    shape[fact.axis] = frames - fact.head.frames
    return torch.cat([head.new_full(shape, fill), head], fact.axis)


def _first_frames(fact: Timed, frames: int) -> Head:
    assert fact.head is not None
    value = fact.head.value
    return Head(frames, None if value is None else value.narrow(fact.axis, 0, frames))


def settle(step: Step, value: torch.Tensor, fact: Timed) -> Dated:
    """The value with its head in the stream and no lead: what a recurrence, a cache or an output needs.

    A lead becomes a delay line that holds the head. The part of a head that stands before the start of a delayed value
    is put in place by a mask: one of the two cases that cost something in every step.
    """
    if fact.uniform:
        return value, fact.with_(delay=max(fact.delay, 0), head=None)
    value, fact = copied_in(step, value, fact)
    if fact.delay < 0 and step.start_of(fact) is not None:
        value, fact = delay(step, value, fact, -fact.delay)
    elif fact.delay < 0:
        value, late = delay(step, value, fact.with_(head=None), -fact.delay)
        fact = late.with_(head=fact.head)
    if fact.head is None:
        return value, fact
    flat, flat_fact = unfold(step, value, fact)
    flat = _put_head(step, flat, flat_fact)
    return refold(step, flat, flat_fact.with_(head=None), fact)


def _put_head(step: Step, value: torch.Tensor, fact: Timed) -> torch.Tensor:
    """Write the head over the first places: ``place - delay`` below ``len(head)`` takes ``head[place - delay]``."""
    assert fact.head is not None
    frames = value.shape[fact.axis + fact.rowed]
    index = step.places(fact.ratio, frames) - fact.delay
    head = step.constant("head", fact.head.value)
    known = (index >= 0) & (index < fact.head.frames)
    axis = fact.axis
    rows = head.movedim(axis, 0)[index.clamp(0, fact.head.frames - 1)]
    return torch.where(step.over_rows(known, fact), step.rows_into(rows, fact), value)


def align(step: Step, items: Sequence[Dated]) -> list[Dated]:
    """Bring values that meet to one delay, the largest, and to one head: the younger ones get a delay line."""
    if len(items) > 1:
        items = [copied_in(step, value, fact) for value, fact in items]
    certain = [fact for _, fact in items if not fact.uniform]
    if not certain:
        latest = max(fact.delay for _, fact in items)
        return [(value, fact.with_(delay=latest)) for value, fact in items]
    latest = max(fact.delay for fact in certain)
    heads = {max(0, fact.head_frames - (latest - fact.delay)) for fact in certain}
    if len(heads) > 1 or (heads != {0} and any(fact.uniform for _, fact in items)):
        return align(step, [settle(step, value, fact) for value, fact in items])
    aligned = [
        (value, fact.with_(delay=latest)) if fact.uniform else delay(step, value, fact, latest - fact.delay)
        for value, fact in items
    ]
    settled_later = any(fact.delay != latest for _, fact in aligned)
    return align(step, aligned) if settled_later else aligned


def ready(step: Step, value: torch.Tensor, fact: Timed, *, to_end: bool = False) -> tuple[torch.Tensor, Timed, int]:
    """A settled value and the count of base frames at which its first real frame arrives.

    Starts are multiples of the chunk multiple, so that no call need straddle one: a delay line makes up the rest.
    ``to_end``: for what must know the last frame, so late that none is given past it (:func:`until_end`).
    """
    value, fact = settle(step, value, fact)
    if to_end:
        value, fact = until_end(step, value, fact)
    more = next(frames for frames in count() if step.start_of(fact.with_(delay=fact.delay + frames)) is not None)
    value, fact = delay(step, value, fact, more)
    return value, fact, step.start_of(fact) or 0


def until_end(step: Step, value: torch.Tensor, fact: Timed) -> Dated:
    """The value, so late that no frame is given that may turn out to lie past the end (``x[:, :-3]`` waits for 3)."""
    return delay(step, value, fact, max(0, fact.certain_delay(step.plan.multiple) - fact.delay))


def past_end(step: Step, value: torch.Tensor, fact: Timed, fill: float) -> Dated:
    """The value with its frames past the end of the stream set to ``fill``."""
    value, fact = until_end(step, value, fact)
    flat, flat_fact = unfold(step, value, fact)
    real = step.over_rows(step.before_end(flat_fact, flat.shape[flat_fact.axis + flat_fact.rowed]), flat_fact)
    masked = torch.where(real, flat, torch.full((), fill, dtype=flat.dtype, device=flat.device))
    return refold(step, masked, flat_fact, fact)[0], fact


def length_of(length: Length, base_frames: torch.Tensor, more: int = 0) -> torch.Tensor:
    """``length`` applied to a tensor of base frame counts, negative ones included, and ``more``; int64 of its shape."""
    # torch.div(rounding_mode="floor") would be lowered through float32, which cannot hold these counts
    whole = base_frames if length.period == 1 else torch.floor_divide(base_frames, length.period)
    frames = whole * length.frames if length.frames != 1 else whole
    offsets = [(offset or 0) + more for offset in length.at]
    if len(set(offsets)) == 1:
        return frames + offsets[0] if offsets[0] else frames
    rest = base_frames - whole * length.period
    return frames + torch.tensor(offsets, device=base_frames.device)[rest]
