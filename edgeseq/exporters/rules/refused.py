"""Ops that cannot stream along time, a sentence each. Along another axis they mix no frames and are replayed."""

from __future__ import annotations

from typing import Any

import torch

from edgeseq.exporters.facts import Timed
from edgeseq.exporters.rules.features import same_axes
from edgeseq.exporters.rules.foreign import Rule
from edgeseq.exporters.rules.registry import Refusal
from edgeseq.exporters.rules.schema import axes_of, bound
from edgeseq.exporters.step import Step

aten = torch.ops.aten


def unless(refusal: Refusal, argument: str | None) -> Rule:
    """A rule that refuses where ``argument`` names the time axis (None: always)."""

    def rule(step: Step, facts: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        fact = next(fact for fact in facts if isinstance(fact, Timed))
        axes = axes_of(bound(step, args, kwargs)[argument], len(fact.shape)) if argument else [fact.axis]
        if fact.axis in axes:
            raise step.refuse(refusal.why, refusal.do)
        return same_axes(step, facts, *args, **kwargs)

    return rule


REFUSALS: dict[Any, tuple[Refusal, str | None]] = {
    aten.flip.default: (
        Refusal(
            "a flip reads the future: its first frame is the last of all time",
            "drop the flip",
        ),
        "dims",
    ),
    aten.roll.default: (
        Refusal("roll brings frames of the end of time to its start", "shift with a pad and a slice"),
        "dims",
    ),
    aten.index_select.default: (
        Refusal("it picks frames by their place in all of time", "slice fixed offsets"),
        "dim",
    ),
    aten.gather.default: (
        Refusal("it picks frames by their place in all of time", "slice fixed offsets"),
        "dim",
    ),
    aten.as_strided.default: (
        Refusal("it reads memory by strides that mean another axis in every chunk", "cut frames with x.unfold"),
        None,
    ),
    **dict.fromkeys(
        [aten.im2col.default, aten.col2im.default],
        (
            Refusal(
                "it puts windows of time and of another axis into one",
                "cut frames with x.unfold, and add them up with a transposed convolution",
                missing=True,
            ),
            None,
        ),
    ),
    **dict.fromkeys(
        [aten.max_pool2d_with_indices.default, aten.max_pool3d_with_indices.default],
        (Refusal("its indices count frames from the start of all time", "pool without return_indices"), None),
    ),
    aten.nonzero.default: (
        Refusal("the number of its results depends on the data", "use a mask of fixed shape"),
        None,
    ),
    aten.repeat_interleave.self_Tensor: (
        Refusal(
            "the number of its results depends on the values of a tensor",
            "repeat every frame equally often, by a plain number, or repeat frames ahead of the model",
        ),
        None,
    ),
}
RULES = {op: unless(*entry) for op, entry in REFUSALS.items()}
