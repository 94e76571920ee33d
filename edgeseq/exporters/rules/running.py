"""Running quantities along time: sums, products, extremes. The state is the quantity after the last frame.

Sums, products and log-sums of floats are carried in float64, whatever the model's own type: so does torch inside its
kernels on CPU, while a float32 sum that goes from call to call is 22 units of rounding off after 10,000 frames.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch._higher_order_ops.scan import scan_op

from edgeseq.exporters.alignment import ready
from edgeseq.exporters.facts import Head, Timed
from edgeseq.exporters.rules.features import same_axes
from edgeseq.exporters.rules.schema import bound, has_several_results, result_is_used, result_shape, target
from edgeseq.exporters.step import Step

aten = torch.ops.aten
Tensors = list[torch.Tensor]
#: ``advance(states, frames, axis)``: the states after some frames, and what they were after each.
Advance = Callable[[Tensors, Tensors, int], tuple[Tensors, Tensors]]


@dataclass(frozen=True)
class Quantity:
    """A running quantity: the word for its state, what it is before the first frame, and how it goes on.

    ``wide``: floats are carried in float64.
    """

    name: str
    empty: Callable[[torch.dtype], float]
    advance: Advance
    wide: bool = True


def running(step: Step, facts: Any, x: torch.Tensor, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """A cumulative op: along time from what is carried on, along another axis as it is."""
    fact = facts[0]
    dim = bound(step, (x, *args), kwargs)["dim"] % len(fact.shape)
    if dim != fact.axis:
        return same_axes(step, facts, x, *args, **kwargs)
    if fact.folded:
        raise step.refuse(
            "it runs over time folded with another axis, from one entry into the next", "give time an axis of its own"
        )
    x, fact, start = with_head(step, x, fact)
    x, fact = by_row(step, x, fact)
    several = has_several_results(step)
    if several and result_is_used(step, 1):
        numbers = frame_numbers(step, fact, start).expand(x.shape)
        return carried_on(step, _NUMBERED[target(step)], [x, numbers], fact, start)
    (value,), (found,) = carried_on(step, _QUANTITIES[target(step)], [x], fact, start)
    return ([value, None], [found, None]) if several else (value, found)


def with_head(step: Step, x: torch.Tensor, fact: Timed) -> tuple[torch.Tensor, Timed, int]:
    """A value and the start of the states it feeds. Its head stays out of the stream: states start as it left them."""
    start = step.start_of(fact)
    if fact.head is None or fact.rowed or start is None:
        return ready(step, x, fact)
    return x, fact, start


def by_row(step: Step, x: torch.Tensor, fact: Timed) -> tuple[torch.Tensor, Timed]:
    """A value without a batch axis given one row per stream: the streams of a pool are at different positions."""
    if fact.rowed or fact.head or not step.has_rows or step.mentions_batch(fact.shape):
        return x, fact
    return x.expand(step.batch, *x.shape), fact.with_(rowed=True)


def carried_on(
    step: Step, quantity: Quantity, frames: Tensors, fact: Timed, start: int
) -> tuple[list[Any], list[Timed]]:
    """The quantity after each of this call's frames: one result per entry of ``frames``, with its fact."""
    dtypes = [frame.dtype for frame in frames]
    dtypes[0] = _result_dtype(step)
    wide = [torch.float64 if quantity.wide and dtype.is_floating_point else dtype for dtype in dtypes]
    cast = [frame.to(dtype).to(to) for frame, dtype, to in zip(frames, dtypes, wide, strict=True)]
    empty = [quantity.empty(wide[0]), *(0 for _ in frames[1:])]
    initial, heads = _past_the_head(quantity, fact, dtypes, wide, empty)
    states = [
        _state(step, f"{quantity.name}{word}", fact, dtype, start, first)
        for word, dtype, first in zip(("", ".index"), wide, initial, strict=False)
    ]
    last, results = quantity.advance([state.value for state in states], cast, fact.axis + fact.rowed)
    for state, value in zip(states, last, strict=True):
        state.next = value
    shapes = [result_shape(step, index if has_several_results(step) else None) for index in range(len(frames))]
    found = [
        fact.with_(shape=shape, head=head, uniform=False, position=None, reads=None)
        for shape, head in zip(shapes, heads, strict=True)
    ]
    return [result.to(dtype) for result, dtype in zip(results, dtypes, strict=True)], found


def _past_the_head(
    quantity: Quantity, fact: Timed, dtypes: list[torch.dtype], wide: list[torch.dtype], empty: list[float]
) -> tuple[Tensors, list[Head | None]]:
    """What the states are after the head, and the heads of the results."""
    ones = [1] * len(fact.shape)
    initial = [torch.full(ones, value, dtype=dtype) for value, dtype in zip(empty, wide, strict=True)]
    if fact.head is None:
        return initial, [None] * len(dtypes)
    if fact.head.value is None:
        return initial, [Head(fact.head.frames, None)] * len(dtypes)
    known = fact.head.value
    numbers = torch.arange(fact.head.frames).reshape([-1 if axis == fact.axis else 1 for axis in range(len(ones))])
    frames = [known.to(dtypes[0]).to(wide[0]), numbers.expand(known.shape)][: len(dtypes)]
    before = [value.expand(known.narrow(fact.axis, 0, 1).shape) for value in initial]
    last, results = quantity.advance(before, frames, fact.axis)
    heads = [Head(fact.head.frames, result.to(dtype)) for result, dtype in zip(results, dtypes, strict=True)]
    return last, list(heads)


def _state(step: Step, suffix: str, fact: Timed, dtype: torch.dtype, start: int, initial: torch.Tensor) -> Any:
    """A state that holds one frame."""
    shape = step.with_rows(fact, (*fact.shape[: fact.axis], 1, *fact.shape[fact.axis + 1 :]))
    first = initial.unsqueeze(0) if fact.rowed else initial
    return step.state(suffix, kind="recurrent", shape=shape, dtype=dtype, start=start, initial=first)


def frame_numbers(step: Step, fact: Timed, start: int) -> torch.Tensor:
    """The number of each of this call's frames, counted from the first; it broadcasts against the value."""
    return step.over_rows(step.places(fact.ratio, step.frames_of(fact), start) + fact.head_frames, fact)


def frame_by_frame(
    body: Callable[..., Tensors], states: Tensors, frames: Tensors, axis: int
) -> tuple[Tensors, Tensors]:
    """The last states and those of all frames, where ``body(*states, *frame)`` gives the new states.

    States have one frame along ``axis``. In the file it is a Scan.
    """
    count = len(states)

    def one(*operands: torch.Tensor) -> Tensors:
        new = body(*operands)
        return [*new, *(value.clone() for value in new)]

    held = [state.squeeze(axis) for state in states]
    found = list(scan_op(one, held, [frame.movedim(axis, 0) for frame in frames], ()))
    return [last.unsqueeze(axis) for last in found[:count]], [every.movedim(0, axis) for every in found[count:]]


def _result_dtype(step: Step) -> torch.dtype:
    value = step.node.meta["val"]  # type: ignore[union-attr]
    return (value[0] if isinstance(value, (tuple, list)) else value).dtype  # type: ignore[no-any-return]


def summed(states: Tensors, frames: Tensors, axis: int) -> tuple[Tensors, Tensors]:
    """Sums: what there was before is added to those of the call."""
    total = torch.cumsum(frames[0], axis) + states[0]
    return [aten.slice.Tensor(total, axis, -1)], [total]


def combined(combine: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Advance:
    """A quantity that combines frame after frame with what there was before it."""

    def advance(states: Tensors, frames: Tensors, axis: int) -> tuple[Tensors, Tensors]:
        return frame_by_frame(lambda before, frame: [combine(before, frame)], states, frames, axis)

    return advance


def numbered(better: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Advance:
    """An extreme and the number of the newest frame that has it; as in torch, what is not a number stays."""

    def body(best: torch.Tensor, at: torch.Tensor, frame: torch.Tensor, number: torch.Tensor) -> Tensors:
        newer = better(frame, best)
        newer = newer | frame.isnan() if frame.is_floating_point() else newer
        return [torch.where(newer, frame, best), torch.where(newer, number, at)]

    return lambda states, frames, axis: frame_by_frame(body, states, frames, axis)


def log_add(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """``log(exp(a) + exp(b))`` where either may be infinite; torch.logaddexp is lowered to a form that overflows."""
    larger = torch.maximum(a, b)
    return torch.where(larger.isinf(), larger, larger + torch.log1p(torch.exp(-(a - b).abs())))


def lowest(dtype: torch.dtype) -> float:
    """What every value of ``dtype`` is at least."""
    return -float("inf") if dtype.is_floating_point else torch.iinfo(dtype).min


def highest(dtype: torch.dtype) -> float:
    """What every value of ``dtype`` is at most."""
    return float("inf") if dtype.is_floating_point else torch.iinfo(dtype).max


_QUANTITIES = {
    aten.cumsum.default: Quantity("sum", lambda _: 0.0, summed),
    aten.cumprod.default: Quantity("product", lambda _: 1.0, combined(torch.mul)),
    aten.logcumsumexp.default: Quantity("logsum", lowest, combined(log_add)),
    aten.cummax.default: Quantity("max", lowest, combined(torch.maximum), wide=False),
    aten.cummin.default: Quantity("min", highest, combined(torch.minimum), wide=False),
}
_NUMBERED = {
    aten.cummax.default: Quantity("max", lowest, numbered(torch.ge), wide=False),
    aten.cummin.default: Quantity("min", highest, numbered(torch.le), wide=False),
}
RULES = dict.fromkeys(_QUANTITIES, running)
