"""Reductions: over features they mix no frames; over all time they make a summary (the prefix law)."""

from __future__ import annotations

from typing import Any

import torch

from edgeseq.exporters.alignment import past_end, ready
from edgeseq.exporters.facts import Summary, Timed
from edgeseq.exporters.framewise import framewise
from edgeseq.exporters.rules.schema import (
    axes_of,
    bound,
    each_result,
    has_several_results,
    picked,
    result_is_used,
    result_shape,
    target,
)
from edgeseq.exporters.step import Step

aten = torch.ops.aten
_RUNNING = {
    aten.sum.dim_IntList: "sum",
    aten.sum.default: "sum",
    aten.mean.dim: "mean",
    aten.mean.default: "mean",
    aten.amax.default: "amax",
    aten.amin.default: "amin",
    aten.max.dim: "amax",
    aten.min.dim: "amin",
    aten.max.default: "amax",
    aten.min.default: "amin",
}


def reduce(step: Step, facts: Any, x: torch.Tensor, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Reduce over some axes; where time is among them, keep what has been seen so far."""
    fact, op = facts[0], target(step)
    named = bound(step, (x, *args), kwargs)
    axes = axes_of(named.get("dim"), len(fact.shape))
    keepdim = bool(named.get("keepdim", False))
    if fact.axis in axes:
        return over_time(step, x, fact, axes, _RUNNING.get(op), keepdim=keepdim)
    axis = fact.axis if keepdim else fact.axis - sum(axis < fact.axis for axis in axes)

    def run(index: int | None) -> tuple[Any, Any]:
        return framewise(
            step,
            [fact],
            [x],
            shape=result_shape(step, index),
            place=fact.place.at(axis),
            op=lambda _, v: picked(op(v, *args, **kwargs), index),
        )

    return each_result(step, run)


def over_time(
    step: Step, x: torch.Tensor, fact: Timed, axes: list[int], kind: str | None, *, keepdim: bool
) -> tuple[Any, Any]:
    """A summary: ``kind`` (sum, mean, amax, amin) over time and perhaps other axes of what has been seen so far."""
    several = has_several_results(step)
    if kind is None or (several and result_is_used(step, 1)):
        raise step.refuse(
            "it takes a statistic over all time that no running form is known for",
            "use sum, mean, amax, amin or the last step over time",
        )
    shape = result_shape(step, 0 if several else None)
    x, fact, start = ready(step, x, fact, to_end=True)
    if fact.folded:
        raise step.refuse("it takes a statistic over time folded with another axis", "give time an axis of its own")
    value = _running(step, kind, x, fact, axes, start, result=shape, keepdim=keepdim)
    summary = Summary(shape, fact.late_frames)
    return ([value, None], [summary, None]) if several else (value, summary)


def _running(
    step: Step, kind: str, x: torch.Tensor, fact: Timed, axes: list[int], start: int, *, result: Any, keepdim: bool
) -> torch.Tensor:
    """``state = combine(state, reduce(chunk))``; a mean divides the running sum by the count of frames so far."""
    empty = _empty(kind, x.dtype)
    if step.flushes:
        x, fact = past_end(step, x, fact, empty)
    if kind == "mean" and not x.dtype.is_floating_point:
        raise step.refuse("it takes the mean of integers over time", "convert to a float type first")
    dtype = step.node.meta["val"].dtype if kind == "sum" else x.dtype  # type: ignore[union-attr]
    reduced = {"amax": torch.amax, "amin": torch.amin}.get(kind)
    now = reduced(x, axes, keepdim) if reduced else torch.sum(x, axes, keepdim, dtype=dtype)
    state = step.state(
        {"amax": "max", "amin": "min"}.get(kind, "sum"),
        kind="summary",
        shape=result,
        dtype=dtype,
        start=start,
        initial=torch.full([1] * len(result), empty, dtype=dtype),
    )
    combine = {"amax": torch.maximum, "amin": torch.minimum}.get(kind, torch.add)
    state.next = combine(state.value, now)
    if kind != "mean":
        return state.next
    others = 1
    for axis in axes:
        if axis != fact.axis:
            others *= step.size(fact.shape[axis])
    frames = step.over_batch(step.count(fact.length).clamp(min=1), result).to(dtype)
    return state.next / (frames * others if others != 1 else frames)


def _empty(kind: str, dtype: torch.dtype) -> float:
    """What a statistic is before its first frame."""
    if kind in ("sum", "mean"):
        return 0.0
    if dtype.is_floating_point:
        return -float("inf") if kind == "amax" else float("inf")
    limits = torch.iinfo(dtype)
    return limits.min if kind == "amax" else limits.max


RULES = dict.fromkeys(
    [
        *_RUNNING,
        aten.argmax.default,
        aten.argmin.default,
        aten.prod.dim_int,
        aten.var.correction,
        aten.std.correction,
        aten.var.dim,
        aten.std.dim,
        aten.var_mean.correction,
        aten.std_mean.correction,
        aten.logsumexp.default,
        aten.linalg_vector_norm.default,
        aten.norm.ScalarOpt_dim,
        aten.any.dim,
        aten.all.dim,
        aten.median.dim,
    ],
    reduce,
)
