"""Values made from the length: constants over time, arange(T), learned table[:T]."""

from __future__ import annotations

from typing import Any

import torch

from edgeseq.exporters.facts import Scalar, Static, Timed
from edgeseq.exporters.rules.schema import bound, result_shape, target
from edgeseq.exporters.rules.shapes import uniform_fact
from edgeseq.exporters.step import Step
from edgeseq.exporters.symbols import mentions

aten = torch.ops.aten


def filled(step: Step, facts: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """zeros, ones, full and their _like forms: equal in every frame."""
    named = bound(step, args, kwargs)
    shape = result_shape(step)
    like = facts[0] if "_like" in target(step).name() and isinstance(facts[0], Timed) else None
    if like is None and not any(mentions(size, step.captured.time) for size in shape):
        fact: Any = Static(shape)
    else:
        fact = _like(shape, like) if like is not None else uniform_fact(step, shape)
    value = _fill_value(target(step), named)
    if isinstance(value, (Scalar, torch.Tensor)):
        raise step.refuse(
            "the length of the whole sequence (time) is used as a number before its end", "use a constant"
        )
    assert step.node is not None
    dtype = step.node.meta["val"].dtype
    sizes = step.sizes(fact, step.frames_of(fact) if isinstance(fact, Timed) else None)
    return torch.full(sizes, value, dtype=dtype, device=step.device), fact


def _like(shape: Any, like: Timed) -> Timed:
    return Timed(shape, like.axis, 0, like.length, like.outer, like.inner, uniform=True)


def _fill_value(op: Any, named: dict[str, Any]) -> Any:
    name = op.name().split("::")[1].split(".")[0]
    if "fill_value" in named:
        return named["fill_value"]
    return 1 if "ones" in name else 0


def arange(step: Step, facts: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """The places of the frames: a count per stream, carried as a state."""
    named = bound(step, args, kwargs)
    first, stride = named.get("start", 0), named.get("step", 1)
    if any(isinstance(number, Scalar) for number in (first, stride)):
        raise step.refuse("positions count from the end of the sequence (time)", "count from its start")
    shape = result_shape(step)
    length = step.length(shape[0])
    if length is None:
        raise step.refuse(f"its length {shape[0]} does not grow evenly with time", "use arange(T)")
    fact = Timed(shape, 0, 0, length, rowed=step.has_rows)
    places = step.own_places(fact)
    assert step.node is not None
    dtype = step.node.meta["val"].dtype
    whole = isinstance(first, int) and isinstance(stride, int)
    value = places if stride == 1 else places * stride
    value = value if first == 0 else value + first
    return value.to(dtype), fact.with_(position=(stride, first) if whole else None)


def table_rows(step: Step, table: torch.Tensor, fact: Static, dim: int, first: int) -> tuple[Any, Any]:
    """``table[:T]`` along ``dim``: the rows of this call's positions; the table's size bounds the context."""
    shape = result_shape(step)
    length = step.length(shape[dim])
    if length is None or not isinstance(fact.shape[dim], int):
        raise step.refuse(f"a table is cut to {shape[dim]} rows", "cut it to the length, as in table[:T]")
    step.limit(length, int(fact.shape[dim]) - first)
    if step.mentions_batch(fact.shape):
        raise step.refuse("an input without time is read frame by frame", "give it a time axis")
    made = Timed(shape, dim, 0, length, rowed=step.has_rows)
    places = step.own_places(made)
    places = places if first == 0 else places + first
    places = step.within(places, int(fact.shape[dim]))
    front = table.movedim(dim, 0)
    rows = torch.nn.functional.embedding(places, front.reshape(front.shape[0], -1))
    rows = rows.reshape([*places.shape, *front.shape[1:]])
    axis = 1 if step.has_rows else 0
    return rows.movedim(axis, dim + axis), made


RULES = {
    **dict.fromkeys(
        [
            aten.zeros.default,
            aten.ones.default,
            aten.full.default,
            aten.new_zeros.default,
            aten.new_ones.default,
            aten.new_full.default,
            aten.zeros_like.default,
            aten.ones_like.default,
            aten.full_like.default,
            aten.empty_like.default,
        ],
        filled,
    ),
    **dict.fromkeys([aten.arange.default, aten.arange.start, aten.arange.start_step], arange),
}
