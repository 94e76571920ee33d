"""Ops over features: softmax, norms, sorting. They mix no frames as long as time is none of their axes."""

from __future__ import annotations

from typing import Any

import torch

from edgeseq.exporters.facts import Timed
from edgeseq.exporters.framewise import framewise
from edgeseq.exporters.rules.schema import axes_of, bound, each_result, picked, result_shape, target
from edgeseq.exporters.rules.weighted import SOFTMAX, weights
from edgeseq.exporters.step import Step

aten = torch.ops.aten


def along_features(step: Step, facts: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Replay an op over the axis ``dim`` where that is not time; the result keeps the operand's axes."""
    dim = bound(step, args, kwargs)["dim"]
    fact = _timed(facts)
    if target(step) in SOFTMAX and axes_of(dim, len(fact.shape)) == [fact.axis]:
        return weights(step, fact, args[0])
    _refuse_over_time(step, fact, axes_of(dim, len(fact.shape)))
    return same_axes(step, facts, *args, **kwargs)


def layer_norm(step: Step, facts: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Layer and RMS norm: over the last ``len(normalized_shape)`` axes."""
    fact = _timed(facts)
    count = len(bound(step, args, kwargs)["normalized_shape"])
    _refuse_over_time(step, fact, list(range(len(fact.shape) - count, len(fact.shape))))
    return same_axes(step, facts, *args, **kwargs)


def batch_norm(step: Step, facts: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Batch norm in eval mode scales channels by stored statistics and mixes nothing."""
    named = bound(step, args, kwargs)
    if named.get("training") or named.get("running_mean") is None:
        raise step.refuse(
            "batch norm without stored statistics takes them over all time", "train with running statistics"
        )
    return same_axes(step, facts, *args, **kwargs)


def spatial_norm(step: Step, facts: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Group and instance norm: over channels and all later axes."""
    fact = _timed(facts)
    _refuse_over_time(step, fact, list(range(1, len(fact.shape))))
    return same_axes(step, facts, *args, **kwargs)


def same_axes(step: Step, facts: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Replay an op whose results have their axes where the operand has them."""
    fact, op = _timed(facts), target(step)

    def run(index: int | None) -> tuple[Any, Any]:
        return framewise(
            step,
            facts,
            args,
            shape=result_shape(step, index),
            place=fact.place,
            op=lambda _, *operands: picked(op(*operands, **kwargs), index),
        )

    return each_result(step, run)


def prelu(step: Step, facts: Any, *args: Any) -> tuple[Any, Any]:
    """PReLU: one slope per channel, elementwise along time."""
    if isinstance(facts[1], Timed):
        raise step.refuse("its slopes change with time", "use constant slopes")
    return same_axes(step, facts, *args)


def one_hot(step: Step, facts: Any, x: torch.Tensor, classes: int) -> tuple[Any, Any]:
    """One-hot rows: a new last axis of ``classes``."""
    fact = _timed(facts)
    step.indexes(0, classes)
    numbers = step.constant("classes", torch.arange(classes, device=step.device))
    return framewise(
        step,
        facts[:1],
        [x],
        place=fact.place,
        op=lambda _, v: (v.unsqueeze(-1) == numbers).to(torch.int64),
    )


def _timed(facts: Any) -> Timed:
    return next(fact for fact in facts if isinstance(fact, Timed))


def _refuse_over_time(step: Step, fact: Timed, axes: list[int]) -> None:
    if fact.axis in axes:
        raise step.refuse(
            "it takes statistics over all time and uses them before the end of the time axis",
            "normalize over features, or use a running statistic",
        )


RULES = {
    aten.prelu.default: prelu,
    aten.one_hot.default: one_hot,
    **dict.fromkeys(
        [
            aten.softmax.int,
            aten._softmax.default,
            aten.log_softmax.int,
            aten._log_softmax.default,
            aten._safe_softmax.default,
            aten.glu.default,
            aten.sort.default,
            aten.sort.stable,
            aten.topk.default,
        ],
        along_features,
    ),
    **dict.fromkeys(
        [aten.layer_norm.default, aten.rms_norm.default, aten.native_layer_norm.default, aten._fused_rms_norm.default],
        layer_norm,
    ),
    **dict.fromkeys(
        [aten._native_batch_norm_legit_no_training.default, aten._native_batch_norm_legit.no_stats],
        batch_norm,
    ),
    **dict.fromkeys([aten.group_norm.default, aten.instance_norm.default], spatial_norm),
}
