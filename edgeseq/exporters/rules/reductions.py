"""Reductions: over features they mix no frames; over all time they make a summary (the prefix law)."""

from __future__ import annotations

from typing import Any

import torch

from edgeseq.exporters.alignment import ready
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
from edgeseq.exporters.rules.summaries import PLACES, STATISTICS, VALUES_ALONE, Seen, Statistic
from edgeseq.exporters.rules.weighted import pooled_or
from edgeseq.exporters.step import Step

aten = torch.ops.aten


@pooled_or
def reduce(step: Step, facts: Any, x: torch.Tensor, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Reduce over some axes; where time is among them, keep what has been seen so far."""
    fact, op = facts[0], target(step)
    named = bound(step, (x, *args), kwargs)
    axes = axes_of(named.get("dim"), len(fact.shape))
    keepdim = bool(named.get("keepdim", False))
    if fact.axis in axes:
        return over_time(step, x, fact, axes, _statistic(step, named, axes), named)
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


def _statistic(step: Step, named: dict[str, Any], axes: list[int]) -> Statistic:
    """The running form of the current op."""
    op = target(step)
    found = STATISTICS.get(op)
    if has_several_results(step) and not result_is_used(step, 1):
        found = VALUES_ALONE.get(op, found)
    if found is None or (op is aten.linalg_norm.default and len(axes) > 1 and named["ord"] is not None):
        raise step.refuse(
            "it needs the frames of all time side by side, which no state of a fixed size holds",
            "use sum, mean, var, max, min, logsumexp or the last step over time",
        )
    if op in PLACES and (named.get("dim") is None or len(axes) > 1):
        raise step.refuse("it numbers entries of all time", "find the place along the time axis alone")
    return found


def over_time(
    step: Step, x: torch.Tensor, fact: Timed, axes: list[int], statistic: Statistic, named: dict[str, Any]
) -> tuple[Any, Any]:
    """A summary: a statistic over time, and perhaps other axes, of what has been seen so far."""
    if fact.folded:
        raise step.refuse("it takes a statistic over time folded with another axis", "give time an axis of its own")
    results = _results(step)
    shape = step.captured.shape(results[0])
    if step.has_rows and not step.mentions_batch(fact.shape):
        raise step.refuse("it takes a statistic over positions alone", "use the length itself")
    if step.has_rows and not step.mentions_batch(shape):
        raise step.refuse("it takes a statistic over all rows of a batch", "give the batch a fixed size of one")
    x, fact, start = ready(step, x, fact, to_end=True)
    seen = Seen(step, x, fact, start, axes, bool(named.get("keepdim", False)), shape, results[0].dtype, named)
    values = statistic(seen)
    summary = Summary(shape, fact.late_frames)
    if not has_several_results(step):
        return values[0], summary
    missing = [None] * (len(results) - len(values))
    return [*values, *missing], [*(summary for _ in values), *missing]


def _results(step: Step) -> list[Any]:
    value = step.node.meta["val"]  # type: ignore[union-attr]
    return list(value) if has_several_results(step) else [value]


RULES = dict.fromkeys(
    [
        *STATISTICS,
        aten.median.default,
        aten.median.dim,
        aten.nanmedian.dim,
        aten.mode.default,
        aten.kthvalue.default,
        aten.quantile.scalar,
    ],
    reduce,
)
