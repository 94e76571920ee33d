"""Ops that treat every element alike: arithmetic, activations, comparisons, casts, dropout in eval mode."""

from __future__ import annotations

from typing import Any

import torch

from edgeseq.exporters.facts import Place, Scalar, Timed
from edgeseq.exporters.framewise import flatten, framewise
from edgeseq.exporters.rules.schema import bound, result_shape, target
from edgeseq.exporters.step import Step

aten = torch.ops.aten


def pointwise(step: Step, facts: Any, *args: Any, **kwargs: Any) -> tuple[Any, Timed]:
    """Replay an elementwise op; operands that come later than others wait for nothing, the others are delayed."""
    leaves = flatten(facts)
    if any(isinstance(fact, Scalar) for fact in leaves):
        raise step.refuse(
            "it uses the length of the whole sequence (time) before its end",
            "use the number of frames so far, or return a value without a time axis",
        )
    place = common_place(step, leaves, len(result_shape(step)))
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
    if op in _CASTS:
        dtype = kwargs.get("dtype", args[1] if len(args) > 1 else None)
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


def unchanged(step: Step, facts: Any, x: torch.Tensor, *_: Any, **__: Any) -> tuple[torch.Tensor, Any]:
    """An op that returns its operand: a copy, an alias."""
    return x, facts[0]


def dropout(step: Step, facts: Any, x: torch.Tensor, *args: Any, **kwargs: Any) -> tuple[torch.Tensor, Any]:
    """Dropout, which does nothing in eval mode."""
    if bound(step, (x, *args), kwargs)["train"]:
        raise step.refuse_random()
    return x, facts[0]


_CASTS = (aten._to_copy.default, aten.to.dtype, aten.to.dtype_layout, aten.to.device)
POINTWISE = pointwise
RULES = {
    **dict.fromkeys(
        [
            aten.dropout.default,
            aten.feature_dropout.default,
            aten.alpha_dropout.default,
            aten.feature_alpha_dropout.default,
        ],
        dropout,
    ),
    **dict.fromkeys(
        [
            aten.alias.default,
            aten.detach.default,
            aten.detach_.default,
            aten.clone.default,
            aten.contiguous.default,
            aten.lift_fresh_copy.default,
            aten.resolve_conj.default,
            aten.resolve_neg.default,
        ],
        unchanged,
    ),
    **dict.fromkeys(
        [
            aten._to_copy.default,
            aten.to.dtype,
            aten.to.dtype_layout,
            aten.to.device,
            aten.type_as.default,
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
            aten.log_sigmoid.default,
            aten.softplus.default,
            aten.selu.default,
            aten.celu.default,
            aten.elu.default,
            aten.fake_quantize_per_tensor_affine.default,
        ],
        pointwise,
    ),
}
