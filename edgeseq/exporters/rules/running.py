"""Running quantities along time: sums, products, extremes. The state is the quantity after the last frame.

Sums, products and log-sums of floats are carried in float64, whatever the model's own type: so does torch inside its
kernels on CPU, while a float32 sum that goes from call to call is 22 units of rounding off after 10,000 frames.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch._higher_order_ops.scan import scan_op

from edgeseq.exporters.alignment import ready
from edgeseq.exporters.facts import Timed
from edgeseq.exporters.rules.features import same_axes
from edgeseq.exporters.rules.schema import bound, has_several_results, result_is_used, result_shape, target
from edgeseq.exporters.step import Step

aten = torch.ops.aten
Tensors = list[torch.Tensor]
#: ``op(step, x, fact, start, axis)``: the results of this call's frames, the new states set.
Form = Callable[[Step, torch.Tensor, Timed, int, int], list[Any]]


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
    x, fact, start = ready(step, x, fact)
    x, fact = by_row(step, x, fact)
    several = has_several_results(step)
    values = _FORMS[target(step)](step, x, fact, start, fact.axis + fact.rowed)
    result = fact.with_(shape=result_shape(step, 0 if several else None), uniform=False, position=None, reads=None)
    if several:
        return values, [result if value is not None else None for value in values]
    return values[0], result


def by_row(step: Step, x: torch.Tensor, fact: Timed) -> tuple[torch.Tensor, Timed]:
    """A value without a batch axis given one row per stream: the streams of a pool are at different positions."""
    if fact.rowed or not step.has_rows or step.mentions_batch(fact.shape):
        return x, fact
    return x.expand(step.batch, *x.shape), fact.with_(rowed=True)


def carried(step: Step, suffix: str, fact: Timed, dtype: torch.dtype, start: int, fill: float = 0.0) -> Any:
    """A state that holds one frame of ``dtype``, at first all ``fill``."""
    shape = (*fact.shape[: fact.axis], 1, *fact.shape[fact.axis + 1 :])
    rows = step.with_rows(fact, shape)
    initial = torch.full([1] * len(rows), fill, dtype=dtype) if fill else None
    return step.state(suffix, kind="recurrent", shape=rows, dtype=dtype, start=start, initial=initial)


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
    return [last.unsqueeze(axis) for last in found[:count]], [all_.movedim(0, axis) for all_ in found[count:]]


def accumulated(dtype: torch.dtype) -> torch.dtype:
    """The type in which values of ``dtype`` are summed up."""
    return torch.float64 if dtype.is_floating_point else dtype


def _result_dtype(step: Step) -> torch.dtype:
    value = step.node.meta["val"]  # type: ignore[union-attr]
    return (value[0] if isinstance(value, (tuple, list)) else value).dtype  # type: ignore[no-any-return]


def _sum(step: Step, x: torch.Tensor, fact: Timed, start: int, axis: int) -> list[Any]:
    dtype = _result_dtype(step)
    wide = accumulated(dtype)
    state = carried(step, "sum", fact, wide, start)
    total = torch.cumsum(x.to(dtype).to(wide), axis) + state.value
    state.next = aten.slice.Tensor(total, axis, -1)
    return [total.to(dtype)]


def _folded(suffix: str, fill: float, combine: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Form:
    """The form of an op that combines frame after frame with what there was before it."""

    def form(step: Step, x: torch.Tensor, fact: Timed, start: int, axis: int) -> list[Any]:
        dtype = _result_dtype(step)
        wide = accumulated(dtype)
        state = carried(step, suffix, fact, wide, start, fill)
        (state.next,), (values,) = frame_by_frame(
            lambda before, frame: [combine(before, frame)], [state.value], [x.to(dtype).to(wide)], axis
        )
        return [values.to(dtype)]

    return form


def log_add(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """``log(exp(a) + exp(b))`` where either may be infinite; torch.logaddexp is lowered to a form that overflows."""
    larger = torch.maximum(a, b)
    return torch.where(larger.isinf(), larger, larger + torch.log1p(torch.exp(-(a - b).abs())))


def _extreme(suffix: str, sign: int) -> Form:
    """cummax and cummin: the value, and the index of the newest frame that has it."""

    def form(step: Step, x: torch.Tensor, fact: Timed, start: int, axis: int) -> list[Any]:
        state = carried(step, suffix, fact, x.dtype, start, lowest(x.dtype) if sign > 0 else highest(x.dtype))
        better = torch.ge if sign > 0 else torch.le
        if not result_is_used(step, 1):
            choose = torch.maximum if sign > 0 else torch.minimum
            (state.next,), (values,) = frame_by_frame(
                lambda before, frame: [choose(before, frame)], [state.value], [x], axis
            )
            return [values, None]
        index = carried(step, f"{suffix}.index", fact, torch.int64, start)

        def body(best: Any, at: Any, frame: Any, place: Any) -> Tensors:
            newer = better(frame, best) | frame.isnan() if x.is_floating_point() else better(frame, best)
            return [torch.where(newer, frame, best), torch.where(newer, place, at)]

        places = frame_numbers(step, fact, start).expand(x.shape)
        (state.next, index.next), results = frame_by_frame(body, [state.value, index.value], [x, places], axis)
        return results

    return form


def frame_numbers(step: Step, fact: Timed, start: int) -> torch.Tensor:
    """The absolute number of each of this call's frames, so shaped that it broadcasts against the value."""
    return step.over_rows(step.places(fact.ratio, step.frames_of(fact), start), fact)


def lowest(dtype: torch.dtype) -> float:
    """What every value of ``dtype`` is at least."""
    return -float("inf") if dtype.is_floating_point else torch.iinfo(dtype).min


def highest(dtype: torch.dtype) -> float:
    """What every value of ``dtype`` is at most."""
    return float("inf") if dtype.is_floating_point else torch.iinfo(dtype).max


_FORMS: dict[Any, Form] = {
    aten.cumsum.default: _sum,
    aten.cumprod.default: _folded("product", 1.0, torch.mul),
    aten.logcumsumexp.default: _folded("logsum", -float("inf"), log_add),
    aten.cummax.default: _extreme("max", 1),
    aten.cummin.default: _extreme("min", -1),
}
RULES = dict.fromkeys(_FORMS, running)
