"""Shifts along time: slices and the last step."""

from __future__ import annotations

from typing import Any

import torch

from edgeseq.exporters.alignment import ready
from edgeseq.exporters.facts import Head, Scalar, Static, Summary, Timed
from edgeseq.exporters.framewise import framewise
from edgeseq.exporters.rules.convolution import Windows, windowed
from edgeseq.exporters.rules.first_frames import kept
from edgeseq.exporters.rules.positions import table_rows
from edgeseq.exporters.rules.schema import bound, result_shape
from edgeseq.exporters.step import Step
from edgeseq.exporters.symbols import Size, simplest

aten = torch.ops.aten


def cut(step: Step, facts: Any, x: torch.Tensor, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """A slice. Along time, frames dropped in front are a delay, frames dropped at the end shorten the length."""
    named = bound(step, (x, *args), kwargs)
    fact, shape = facts[0], result_shape(step)
    dim, stride = named["dim"] % len(fact.shape), named["step"]
    first = _from_the_start(step, named["start"] or 0, fact.shape[dim])
    if isinstance(fact, Static):
        if isinstance(first, Scalar) or stride != 1:
            raise step.refuse("a table is read backwards or in strides of time", "read its rows in order")
        return table_rows(step, x, fact, dim, first)
    if dim != fact.axis:
        return framewise(
            step,
            facts[:1],
            [x],
            shape=shape,
            place=fact.place,
            position=fact.position,
            op=lambda _, v: aten.slice.Tensor(v, dim, first, named["end"], stride),
        )
    if shape[dim] == fact.shape[dim]:
        return x, fact
    length = step.length(shape[dim])
    if length is None and shape[dim] == 1 and first == -1:
        return last_frame(step, x, fact, keepdim=True)
    if length is None and isinstance(shape[dim], int) and isinstance(first, int) and first >= 0 and stride == 1:
        return kept(step, x, fact, first, shape[dim])  # type: ignore[no-any-return]
    if length is not None and length.ratio * stride != fact.ratio:
        raise step.refuse(f"it keeps a share of all time, {shape[dim]} frames", "keep all but a fixed number of frames")
    if length is None or isinstance(first, Scalar) or first < 0 or fact.folded:
        raise step.refuse(
            f"it keeps {shape[dim]} frames counted from the end of time",
            "keep frames counted from the start, or the last one",
        )
    if stride != 1:
        return _every(step, x, fact, first, stride)
    return dropped(step, x, fact.with_(shape=shape, length=length), first)


def _every(step: Step, x: torch.Tensor, fact: Timed, first: int, stride: int) -> tuple[torch.Tensor, Timed]:
    """``x[first::stride]``: windows of one frame."""
    if fact.rowed:
        raise step.refuse("it skips positions", "count in strides with torch.arange")
    x, fact = dropped(step, x, fact, first)
    return windowed(
        step, x, fact, Windows(1, 1, stride, 0, 0), lambda v: aten.slice.Tensor(v, fact.axis, 0, None, stride)
    )


def _from_the_start(step: Step, first: Any, size: Size) -> Any:
    """A start that is computed from sizes and is a constant all the same: ``-(T - 2)`` of T frames is 2."""
    if not isinstance(first, Scalar):
        return first
    length = step.length(simplest(-first.size)) if not isinstance(first.size, int) else None
    counted = simplest(size + first.size) if length is not None else first.size
    return counted if isinstance(counted, int) and counted >= 0 else first


def dropped(step: Step, x: torch.Tensor, fact: Timed, frames: int) -> tuple[torch.Tensor, Timed]:
    """The value without its first ``frames`` frames: those of the head go first, the rest is delay."""
    position = fact.position and (fact.position[0], fact.position[1] + fact.position[0] * frames)
    fact = fact.with_(reads=fact.shifted(frames), position=position)
    if fact.head is None or fact.head.frames <= frames:
        return x, fact.with_(delay=fact.delay + frames, head=None)
    kept = fact.head.frames - frames
    head = fact.head.value
    value = None if head is None else head.narrow(fact.axis, frames, kept)
    return x, fact.with_(delay=fact.delay + frames, head=Head(kept, value))


def pick(step: Step, facts: Any, x: torch.Tensor, dim: int, index: Any) -> tuple[Any, Any]:
    """``x.select``: one feature of every frame, or the last frame of all."""
    fact = facts[0]
    dim %= len(fact.shape)
    if dim == fact.axis:
        if isinstance(index, int) and index >= 0:
            return kept(step, x, fact, index, 1, keepdim=False)  # type: ignore[no-any-return]
        if index != -1:
            raise step.refuse("it takes one frame counted from the end of all time", "take the last one, or the first")
        return last_frame(step, x, fact, keepdim=False)
    return framewise(
        step,
        facts[:1],
        [x],
        place=fact.place.at(fact.axis - (dim < fact.axis)),
        position=fact.position,
        op=lambda _, v: v.select(dim, index),
    )


def last_frame(step: Step, x: torch.Tensor, fact: Timed, *, keepdim: bool) -> tuple[Any, Any]:
    """The last step: the last frame of the call, held once the stream has ended."""
    if fact.folded:
        raise step.refuse("it takes the last frame of time folded with another axis", "give time an axis of its own")
    x, fact, start = ready(step, x, fact, to_end=True)
    axis = fact.axis + fact.rowed
    shape = result_shape(step)
    if fact.rowed:
        raise step.refuse("it takes the last position", "use the length itself")
    last = x.narrow(axis, x.shape[axis] - 1, 1)
    if step.flushes:
        last = _held(step, x, fact, start)
    return (last if keepdim else last.squeeze(axis)), Summary(shape, fact.late_frames)


def _held(step: Step, x: torch.Tensor, fact: Timed, start: int) -> torch.Tensor:
    """The last frame before the end of the stream, kept in a state from then on."""
    axis = fact.axis
    shape = (*fact.shape[:axis], 1, *fact.shape[axis + 1 :])
    state = step.state("last", kind="summary", shape=shape, dtype=x.dtype, start=start)
    real = step.real_frames(fact)
    one = fact.with_(shape=shape)
    index = step.over_rows(step.at_most((real - 1).clamp(min=0), x.shape[axis] - 1)[:, None], one)
    chosen = x.gather(axis, index.expand(step.sizes(one, 1)))
    state.next = torch.where(step.over_rows((real > 0)[:, None], one), chosen, state.value)
    return state.next


RULES = {
    aten.slice.Tensor: cut,
    aten.select.int: pick,
}
