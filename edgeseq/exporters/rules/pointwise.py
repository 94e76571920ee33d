"""Ops that treat every element alike: arithmetic, activations, comparisons, casts."""

from __future__ import annotations

from typing import Any

import torch

from edgeseq.exporters.copies import keeps_copies
from edgeseq.exporters.facts import Place, Timed
from edgeseq.exporters.framewise import flatten, framewise
from edgeseq.exporters.rules.schema import result_shape, target
from edgeseq.exporters.step import Step

aten = torch.ops.aten


@keeps_copies
def pointwise(step: Step, facts: Any, *args: Any, **kwargs: Any) -> tuple[Any, Timed]:
    """Replay an elementwise op; operands that come later than others wait for nothing, the others are delayed."""
    place = common_place(step, flatten(facts), len(result_shape(step)))
    op = target(step)
    position = _moved(op, facts, args, kwargs)
    return framewise(
        step,
        facts,
        args,
        place=place,
        op=lambda _, *operands: op(*operands, **kwargs),
        rows="broadcast",
        position=position,
    )


def _moved(op: Any, facts: Any, args: Any, kwargs: Any) -> tuple[int, int] | None:
    """Where a position stands after an op that moves it by whole numbers, or only changes its integer type."""
    fact = facts[0]
    if not isinstance(fact, Timed) or fact.position is None or kwargs.get("alpha", 1) != 1:
        return None
    scale, offset = fact.position
    if op is aten._to_copy.default:
        dtype = kwargs.get("dtype")
        return None if isinstance(dtype, torch.dtype) and dtype.is_floating_point else fact.position
    other = args[1] if len(args) > 1 else None
    if type(other) is not int:
        return None
    moved = {
        aten.add.Tensor: (scale, offset + other),
        aten.sub.Tensor: (scale, offset - other),
        aten.mul.Tensor: (scale * other, offset * other),
    }
    return moved.get(op)


def common_place(step: Step, facts: list[Any], rank: int) -> Place:
    """Where time stands in the broadcast of some operands, and how it is folded."""
    timed = [fact for fact in facts if isinstance(fact, Timed)]
    certain = [fact for fact in timed if not fact.uniform] or timed
    places = {fact.place.at(fact.axis + rank - len(fact.shape)) for fact in certain}
    fold = next(iter(places))
    places |= {fold.at(fact.axis + rank - len(fact.shape)) for fact in timed if fact.uniform}
    if len(places) > 1:
        raise step.refuse(
            "every frame meets every other frame, so it is not causal",
            "use scaled_dot_product_attention with is_causal=True, or keep time on one axis",
        )
    return next(iter(places))


@keeps_copies
def unchanged(step: Step, facts: Any, x: torch.Tensor, *_: Any, **__: Any) -> tuple[torch.Tensor, Any]:
    """An op that returns its operand: a copy, an alias."""
    return x, facts[0]


POINTWISE = pointwise
RULES = {
    **dict.fromkeys(
        [
            aten.alias.default,
            aten.detach.default,
            aten.clone.default,
        ],
        unchanged,
    ),
    **dict.fromkeys(
        [
            aten._to_copy.default,
            aten.type_as.default,
            aten.floor_divide.default,
            aten.__and__.Tensor,
            aten.__and__.Scalar,
            aten.__or__.Tensor,
            aten.__or__.Scalar,
            aten.__xor__.Tensor,
            aten.__xor__.Scalar,
            aten.where.self,
            aten.where.ScalarOther,
            aten.where.ScalarSelf,
            aten.where.Scalar,
            aten.masked_fill.Scalar,
            aten.masked_fill.Tensor,
            aten.nan_to_num.default,
            aten.rsub.Scalar,
            aten.clamp.default,
            aten.clamp.Tensor,
            aten.silu.default,
            aten.mish.default,
            aten.gelu.default,
            aten.relu6.default,
            aten.hardtanh.default,
            aten.hardswish.default,
            aten.log_sigmoid.default,
            aten.softplus.default,
            aten.selu.default,
            aten.celu.default,
            aten.elu.default,
        ],
        pointwise,
    ),
}
