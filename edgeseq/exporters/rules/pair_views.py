"""Views of values over pairs of frames, and ops along their other axes. Both frame axes stay whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from edgeseq.exporters.facts import Pairs, Static, Timed
from edgeseq.exporters.keys import pair_sizes
from edgeseq.exporters.known import moved
from edgeseq.exporters.rules.pairs import Operand, brought, met, operands_of, queried, sample_sizes, summed
from edgeseq.exporters.rules.schema import axes_of, bound, each_result, picked, result_shape, target
from edgeseq.exporters.step import Step
from edgeseq.exporters.symbols import Shape, mentions, product

aten = torch.ops.aten
Viewed = tuple[Any, Pairs]
_FOLDED = "keep queries and keys in axes of their own"


def viewed(
    step: Step,
    x: torch.Tensor,
    fact: Pairs,
    shape: Shape,
    axes: tuple[int, int],
    op: Callable[[torch.Tensor, list[Any]], torch.Tensor],
) -> Viewed:
    """``op(value, sizes)`` moves axes about: the queries' and the keys' become ``axes``."""
    made = fact.with_(shape=shape, axis=axes[0], past=axes[1], known=())
    known = fact.known
    if step.planning and known:
        whole, after = sample_sizes(step, fact), sample_sizes(step, made)
        known = moved(known, lambda region: op(region.expand(whole), list(after)))
    return op(x, pair_sizes(step, made)), made.with_(known=known)


def reshape(step: Step, facts: Any, x: torch.Tensor, *_: Any, **__: Any) -> Viewed:
    """view and its like: other axes are split and joined."""
    fact: Pairs = facts[0]
    shape = result_shape(step)
    axes = [axis for axis, size in enumerate(shape) if mentions(size, step.captured.time)]
    if len(axes) != 2 or _around(fact.shape, sorted((fact.axis, fact.past))) != _around(shape, axes):
        raise step.refuse(f"it spreads frames over other axes: {list(fact.shape)} becomes {list(shape)}", _FOLDED)
    ordered = (axes[0], axes[1]) if fact.axis < fact.past else (axes[1], axes[0])
    return viewed(step, x, fact, shape, ordered, lambda v, sizes: v.reshape(sizes))


def _around(shape: Shape, axes: list[int]) -> tuple[Any, ...]:
    first, second = axes
    return (
        product(shape[:first]),
        shape[first],
        product(shape[first + 1 : second]),
        shape[second],
        product(shape[second + 1 :]),
    )


def permute(step: Step, facts: Any, x: torch.Tensor, *args: Any, **kwargs: Any) -> Viewed:
    """permute, transpose and t."""
    fact: Pairs = facts[0]
    op = target(step)
    numbered = list(op(torch.empty([n + 1 for n in range(len(fact.shape))], device="meta"), *args, **kwargs).shape)
    axes = numbered.index(fact.axis + 1), numbered.index(fact.past + 1)
    return viewed(step, x, fact, result_shape(step), axes, lambda v, _: op(v, *args, **kwargs))


def unsqueeze(step: Step, facts: Any, x: torch.Tensor, dim: int) -> Viewed:
    """A new axis of size one."""
    fact: Pairs = facts[0]
    dim %= len(fact.shape) + 1
    axes = fact.axis + (dim <= fact.axis), fact.past + (dim <= fact.past)
    return viewed(step, x, fact, result_shape(step), axes, lambda v, _: v.unsqueeze(dim))


def squeeze(step: Step, facts: Any, x: torch.Tensor, dim: Any = None) -> Viewed:
    """Drop axes that were of size one when captured."""
    fact: Pairs = facts[0]
    gone = tuple(axis for axis in axes_of(dim, len(fact.shape)) if fact.shape[axis] == 1)
    axes = fact.axis - sum(a < fact.axis for a in gone), fact.past - sum(a < fact.past for a in gone)
    return viewed(step, x, fact, result_shape(step), axes, lambda v, _: v.squeeze(gone))


def expand(step: Step, facts: Any, x: torch.Tensor, *_: Any, **__: Any) -> Viewed:
    """Repeat along axes of size one; frames repeated along a second axis of time meet every frame."""
    fact: Pairs | Timed = facts[0]
    shape = result_shape(step)
    if isinstance(fact, Timed):
        return _spread(step, x, fact, shape)
    more = len(shape) - len(fact.shape)
    return viewed(step, x, fact, shape, (fact.axis + more, fact.past + more), lambda v, sizes: v.expand(sizes))


def _spread(step: Step, x: torch.Tensor, fact: Timed, shape: Shape) -> Viewed:
    assert step.node is not None
    item = Operand(x, fact, step.node.args[0])  # type: ignore[arg-type]
    made = met(step, [item], shape)
    value = brought(step, item, made)
    return value.expand(pair_sizes(step, made)), made


def cut(step: Step, facts: Any, x: torch.Tensor, dim: int = 0, *rest: Any) -> Viewed:
    """A slice of another axis."""
    fact: Pairs = facts[0]
    if dim % len(fact.shape) in (fact.axis, fact.past):
        if result_shape(step) == fact.shape:
            return x, fact
        raise step.refuse("it drops some of the frames that meet", "slice queries or keys before they meet")
    axes = fact.axis, fact.past
    return viewed(step, x, fact, result_shape(step), axes, lambda v, _: target(step)(v, dim, *rest))


def pick(step: Step, facts: Any, x: torch.Tensor, dim: int, index: int) -> Viewed:
    """One entry of another axis."""
    fact: Pairs = facts[0]
    dim %= len(fact.shape)
    if dim in (fact.axis, fact.past):
        raise step.refuse("it takes one frame of those that meet", "slice queries or keys before they meet")
    axes = fact.axis - (dim < fact.axis), fact.past - (dim < fact.past)
    return viewed(step, x, fact, result_shape(step), axes, lambda v, _: v.select(dim, index))


def pieces(step: Step, facts: Any, x: torch.Tensor, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """split and unbind along another axis."""
    fact: Pairs = facts[0]
    op = target(step)
    dim = bound(step, (x, *args), kwargs)["dim"] % len(fact.shape)
    if dim in (fact.axis, fact.past):
        raise step.refuse("it cuts the frames that meet into pieces", "slice queries or keys before they meet")
    gone = op is aten.unbind.int
    axes = fact.axis - (gone and dim < fact.axis), fact.past - (gone and dim < fact.past)

    def run(index: int | None) -> tuple[Any, Any]:
        return viewed(
            step, x, fact, result_shape(step, index), axes, lambda v, _: picked(op(v, *args, **kwargs), index)
        )

    return each_result(step, run)


def along_features(step: Step, facts: Any, x: torch.Tensor, *args: Any, **kwargs: Any) -> Viewed:
    """An op on the features of every pair: linear, norms."""
    fact: Pairs = facts[0]
    shape = result_shape(step)
    others = [other for other in operands_of(step, facts[1:], args, step.node.args[1:]) if other.fact is not None]  # type: ignore[union-attr]
    static = all(isinstance(other.fact, Static) for other in others)
    if not static or max(fact.axis, fact.past) == len(fact.shape) - 1:
        raise step.refuse("it mixes frames that meet", "apply it to features")
    return target(step)(x, *args, **kwargs), fact.with_(shape=shape, known=())


def reduce(step: Step, facts: Any, x: torch.Tensor, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Sums and the like: over keys a value per query, where those that have not come count nothing."""
    fact: Pairs = facts[0]
    op = target(step)
    named = bound(step, (x, *args), kwargs)
    axes, keepdim = axes_of(named.get("dim"), len(fact.shape)), bool(named.get("keepdim", False))
    if fact.axis in axes:
        raise step.refuse("it sums over all queries, those that have not come yet among them", "sum over keys")
    gone = [] if keepdim else axes
    axis, past = (place - sum(a < place for a in gone) for place in (fact.axis, fact.past))
    if fact.past not in axes:
        made = fact.with_(shape=result_shape(step), axis=axis, past=past, known=())
        return op(x, *args, **kwargs), made
    if op not in (aten.sum.dim_IntList, aten.any.dim):
        raise step.refuse("it takes a statistic over keys that depends on those that have not come", "sum over keys")
    return op(summed(step, x, fact), *args, **kwargs), queried(fact, result_shape(step), axis)


PAIRS: dict[Any, Any] = {
    **dict.fromkeys([aten.view.default, aten._unsafe_view.default], reshape),
    **dict.fromkeys([aten.permute.default, aten.transpose.int, aten.t.default], permute),
    aten.unsqueeze.default: unsqueeze,
    **dict.fromkeys([aten.squeeze.default, aten.squeeze.dim, aten.squeeze.dims], squeeze),
    **dict.fromkeys([aten.expand.default, aten.repeat.default], expand),
    aten.slice.Tensor: cut,
    aten.select.int: pick,
    **dict.fromkeys([aten.split.Tensor, aten.split_with_sizes.default, aten.unbind.int], pieces),
    **dict.fromkeys([aten.linear.default, aten.layer_norm.default], along_features),
    **dict.fromkeys([aten.sum.dim_IntList, aten.any.dim, aten.mean.dim, aten.amax.default], reduce),
}
RULES: dict[Any, Any] = {}
