"""Matrix products: time is a row of the left operand, a column of the right one, or a batch axis, never summed."""

from __future__ import annotations

from typing import Any

import torch

from edgeseq.exporters.facts import Fact, Place, Static, Timed
from edgeseq.exporters.framewise import flatten, framewise
from edgeseq.exporters.rules.equations import spelled
from edgeseq.exporters.rules.schema import result_shape, target
from edgeseq.exporters.rules.weighted import pooled_or
from edgeseq.exporters.step import Step

aten = torch.ops.aten
Label = Any


def linear(step: Step, facts: Any, *args: Any) -> tuple[Any, Any]:
    """``x @ weight.T + bias`` over the last axis."""
    fact = facts[0]
    if not isinstance(fact, Timed):
        raise step.refuse("the weight of a linear layer changes with time", "use a matrix product")
    _refuse_summed(step, fact.axis == len(fact.shape) - 1)
    op = target(step)
    return framewise(
        step,
        facts,
        args,
        place=fact.place,
        op=lambda _, *operands: op(*operands),
        rows="leading",
    )


@pooled_or
def matmul(step: Step, facts: Any, a: torch.Tensor, b: torch.Tensor) -> tuple[Any, Any]:
    """matmul, bmm and mm: leading axes broadcast, the last of ``a`` meets the last but one of ``b``."""
    return _product(step, facts, [a, b], lambda _, x, y: target(step)(x, y))


def added(
    step: Step, facts: Any, bias: torch.Tensor, a: torch.Tensor, b: torch.Tensor, **kwargs: Any
) -> tuple[Any, Any]:
    """addmm and baddbmm: a product plus a term that broadcasts."""
    if isinstance(facts[0], Timed):
        raise step.refuse("the added term of a matrix product changes with time", "add it in a line of its own")
    return _product(step, facts[1:3], [a, b], lambda _, x, y: target(step)(bias, x, y, **kwargs))


def _product(step: Step, facts: Any, operands: list[torch.Tensor], op: Any) -> tuple[Any, Any]:
    shape = result_shape(step)
    places: set[Place] = set()
    for side, fact in enumerate(facts[:2]):
        if isinstance(fact, Timed):
            places.add(_place(step, fact, facts[1 - side], side, len(shape)))
    if len(places) > 1:
        raise step.refuse(
            "every frame meets every other frame, as attention written by hand does: not causal",
            "use scaled_dot_product_attention with is_causal=True",
        )
    return framewise(step, facts[:2], operands, place=places.pop(), op=op)


def _place(step: Step, fact: Timed, other: Fact, side: int, rank: int) -> Place:
    own = len(fact.shape)
    summed = own - 1 if side == 0 else max(own - 2, 0)
    _refuse_summed(step, fact.axis == summed)
    if own == 1 or fact.axis < own - 2:
        missing = max(own, len(other.shape)) - own  # type: ignore[union-attr]
        return fact.place.at(fact.axis + missing)
    other_is_vector = len(other.shape) == 1  # type: ignore[union-attr]
    if side == 0:
        return fact.place.at(rank - (1 if other_is_vector else 2))
    return fact.place.at(rank - 1)


def _refuse_summed(step: Step, summed: bool) -> None:
    if summed:
        raise step.refuse(
            "it sums over all time, so every result needs frames that have not come yet: not causal",
            "use attention with is_causal=True, a convolution or a recurrent layer",
        )


@pooled_or
def einsum(step: Step, facts: Any, equation: str, operands: list[torch.Tensor], **_kwargs: Any) -> tuple[Any, Any]:
    """An einsum whose time label stays in the result."""
    flat = flatten(facts[1])
    spelt = spelled(equation, [len(fact.shape) for fact in flat])
    labels = {
        (terms[fact.axis], fact.outer, fact.inner)
        for terms, fact in zip(spelt.terms, flat, strict=True)
        if isinstance(fact, Timed)
    }
    if len(labels) != 1:
        raise step.refuse("frames stand under several of its labels", "write it with matmul")
    label, outer, inner = labels.pop()
    _refuse_summed(step, label not in spelt.output)
    return framewise(
        step,
        facts[1:2],
        [operands],
        place=Place(spelt.output.index(label), outer, inner),
        op=lambda _, parts: torch.einsum(str(spelt), parts),
    )


def outer(step: Step, facts: Any, a: torch.Tensor, b: torch.Tensor) -> tuple[Any, Any]:
    """``a[:, None] * b``, as rotary positions take their angles."""
    if not isinstance(facts[0], Timed) or not isinstance(facts[1], Static):
        raise step.refuse("its second operand changes with time", "put the frames first")
    return framewise(step, facts[:1], [a], place=facts[0].place, op=lambda _, v: v.unsqueeze(-1) * b, rows="leading")


def embedding(
    step: Step, facts: Any, weight: torch.Tensor, indices: torch.Tensor, *args: Any, **_: Any
) -> tuple[Any, Any]:
    """Rows of a table. Where positions choose the rows, the table's size bounds the context."""
    fact = facts[1]
    if not isinstance(facts[0], Static) or not isinstance(fact, Timed):
        raise step.refuse("the table of an embedding changes with time", "compute it from weights")
    rows = int(facts[0].shape[0])
    if fact.position is not None:
        scale, offset = fact.position
        step.limit(fact.length, (rows - 1 - offset) // scale + 1 if scale > 0 else rows)
        indices = step.within(indices, rows)
    step.indexes(1, rows)
    return framewise(
        step,
        facts[1:2],
        [indices],
        place=fact.place,
        op=lambda _, i: torch.nn.functional.embedding(i, weight),
        rows="leading",
    )


RULES = {
    aten.linear.default: linear,
    **dict.fromkeys([aten.matmul.default, aten.bmm.default, aten.mm.default], matmul),
    **dict.fromkeys([aten.addmm.default, aten.baddbmm.default], added),
    aten.einsum.default: einsum,
    **dict.fromkeys([aten.outer.default, aten.ger.default], outer),
    aten.embedding.default: embedding,
}
