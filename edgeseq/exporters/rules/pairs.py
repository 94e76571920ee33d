"""Frames that meet frames: scores, masks over them, weights, and what is made of the weights.

Queries are the frames of the call, keys all frames so far or the last few (:mod:`edgeseq.exporters.keys`). Whether that
is exact is known where the keys are summed over: every weight of a key that has not come must be zero there, whatever
the input (:mod:`edgeseq.exporters.known`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from edgeseq.exporters.alignment import delay, ready
from edgeseq.exporters.facts import Fact, Grid, Pairs, Scalar, Static, Timed
from edgeseq.exporters.framewise import LENGTH_BEFORE_ITS_END, flatten, rebuild
from edgeseq.exporters.keys import keys_of, real_columns, remember
from edgeseq.exporters.known import MASKED, Known, after, masked, region_of
from edgeseq.exporters.reach import reach_of, widest
from edgeseq.exporters.rules.grids import at_pairs, known_at_probes, probes_of
from edgeseq.exporters.rules.schema import result_shape, target
from edgeseq.exporters.step import Step
from edgeseq.exporters.symbols import Shape, mentions

aten = torch.ops.aten
_CROSSED = (
    "values over pairs of frames meet in different orders",
    "keep queries and keys in the same axes",
)


@dataclass(frozen=True)
class Operand:
    """A value that an op takes, its fact, and the node that it comes from (None for plain numbers)."""

    value: Any
    fact: Fact | None
    node: torch.fx.Node | None


def operands_of(step: Step, facts: Any, args: Any, nodes: Any) -> list[Operand]:
    """The operands of a call, lists flattened, parallel to its arguments."""
    leaves = zip(flatten(args), flatten(facts), flatten(nodes), strict=True)
    return [Operand(v, f, n if isinstance(n, torch.fx.Node) else None) for v, f, n in leaves]


# -- where frames meet ------------------------------------------------------------------------------------------------


def met(step: Step, operands: Sequence[Operand], shape: Shape) -> Pairs:
    """The fact, without knowledge, of what a broadcast of some operands over pairs of frames makes."""
    pairs = [(item.fact, len(shape) - len(item.fact.shape)) for item in operands if isinstance(item.fact, Pairs)]
    if not pairs:
        return _first_met(step, operands, shape)
    fact, missing = pairs[0]
    origins = frozenset().union(*(other.origins for other, _ in pairs))
    for other, more in pairs[1:]:
        if (other.axis + more, other.past + more) != (fact.axis + missing, fact.past + missing):
            raise step.refuse(*_CROSSED)
        if other.keys != fact.keys or other.delay != fact.delay:
            _agree(step, origins, fact, other)
    return fact.with_(shape=shape, axis=fact.axis + missing, past=fact.past + missing, known=(), origins=origins)


def _first_met(step: Step, operands: Sequence[Operand], shape: Shape) -> Pairs:
    axes = time_axes(step, shape)
    query_axis, past = roles(step, axes)
    timed = [item for item in operands if isinstance(item.fact, Timed) and not is_free(step, item)]
    if not timed:
        raise step.refuse("a mask over frames depends on an input without time", "make it of sizes and positions")
    facts: list[Any] = [item.fact for item in timed]
    by_axis = {fact.axis + len(shape) - len(fact.shape): item for fact, item in zip(facts, timed, strict=True)}
    if any(fact.folded for fact in facts):
        raise step.refuse("frames meet frames on an axis that time shares with another", "give time an axis of its own")
    query = by_axis.get(query_axis) or by_axis[past]
    key = by_axis.get(past) or by_axis[query_axis]
    return paired(step, query, key, shape, query_axis, past)


def paired(step: Step, query: Operand, key: Operand, shape: Shape, axis: int, past: int) -> Pairs:
    """The fact of pairs that begin at the current node, of a query's frames and a key's."""
    assert step.node is not None
    assert isinstance(query.fact, Timed)
    assert isinstance(key.fact, Timed)
    origin = step.node.name
    keys = keys_of(step, query.fact, key.fact, origin)
    return Pairs(shape, axis, past, keys.delay + keys.lag, query.fact.length, keys, origins=frozenset([origin]))


def time_axes(step: Step, shape: Shape) -> list[int]:
    """The axes of a captured shape that have time in them."""
    return [axis for axis, size in enumerate(shape) if mentions(size, step.captured.time)]


def roles(step: Step, axes: Sequence[int]) -> tuple[int, int]:
    """Which of two axes is the queries' and which the keys': the one that is normalized or summed over later."""
    if len(axes) != 2:
        raise step.refuse(f"{len(axes)} axes of a value are time", "let no more than two frames meet")
    assert step.node is not None
    summed = _summed_later(step.node, len(result_shape(step)))
    return (axes[1], axes[0]) if summed is not None and summed == axes[0] else (axes[0], axes[1])


def _summed_later(node: torch.fx.Node, rank: int) -> int | None:
    """The axis of the first softmax that follows along a chain of elementwise ops."""
    for _ in range(12):
        users = list(node.users)
        found = [dim for user in users if user.target in _SOFTMAX and isinstance(dim := user.args[1], int)]
        if found:
            return found[0] % rank
        if len(users) != 1 or users[0].op == "output" or users[0].meta["val"].dim() != rank:
            return None
        node = users[0]
    return None


def is_free(step: Step, item: Operand) -> bool:
    """True where no input enters the operand: it is computed at the pairs where it is needed."""
    return item.node is not None and item.node in step.captured.grids.free


def _agree(step: Step, origins: frozenset[str], one: Pairs, other: Pairs) -> None:
    """Let pairs that meet be made alike when the step is planned again."""
    step.plan.wanted.reach(origins, widest(one.keys.reach, other.keys.reach))
    step.plan.wanted.wait(origins, max(one.keys.delay, other.keys.delay))


def brought(step: Step, item: Operand, like: Pairs, name: str = "keys") -> Any:
    """An operand as it broadcasts against a value over these pairs, in this call."""
    fact = item.fact
    if isinstance(item.value, Scalar):
        raise step.refuse(*LENGTH_BEFORE_ITS_END)
    if not isinstance(fact, (Timed, Grid)) or not isinstance(item.node, torch.fx.Node):
        return item.value
    if is_free(step, item):
        return at_pairs(step, item.node, like)
    assert isinstance(fact, Timed)
    axis = fact.axis + len(like.shape) - len(fact.shape)
    if fact.folded or axis not in (like.axis, like.past):
        raise step.refuse(*_CROSSED)
    wanted = like.delay if axis == like.axis else like.keys.delay
    value, fact, _ = ready(step, item.value, fact)
    if fact.delay > wanted:
        step.plan.wanted.wait(like.origins, like.keys.delay + fact.delay - wanted)
    else:
        value, fact = delay(step, value, fact, wanted - fact.delay)
    return value if axis == like.axis else remember(step, value, fact, like.keys, name)


# -- ops that treat every pair alike ----------------------------------------------------------------------------------


def pointwise(step: Step, facts: Any, *args: Any, **kwargs: Any) -> tuple[Any, Pairs]:
    """An elementwise op."""
    assert step.node is not None
    return elementwise(step, target(step), facts, args, list(step.node.args), result_shape(step), kwargs)


def elementwise(
    step: Step, op: Any, facts: Any, args: Any, nodes: Any, shape: Shape, kwargs: dict[str, Any] | None = None
) -> tuple[Any, Pairs]:
    """``op`` on operands of which some have a frame per query, some per key, some per pair."""
    operands = operands_of(step, facts, args, nodes)
    fact = met(step, operands, shape)
    values = [brought(step, item, fact) for item in operands]
    value = op(*rebuild(list(args), list(values)), **(kwargs or {}))
    known = _known_after(step, op, operands, args, kwargs or {}, shape) if step.planning else ()
    return value, fact.with_(known=known)


def _known_after(
    step: Step, op: Any, operands: Sequence[Operand], args: Any, kwargs: dict[str, Any], shape: Shape
) -> Known:
    tensors = [index for index, item in enumerate(operands) if isinstance(item.value, torch.Tensor) or item.fact]
    knowledge = [(_ranked(known_of_operand(step, operands[i]), len(shape)), dtype_of(operands[i])) for i in tensors]

    def call(scalars: Sequence[Any]) -> torch.Tensor:
        leaves = [item.value for item in operands]
        for index, scalar in zip(tensors, scalars, strict=True):
            leaves[index] = scalar
        result: torch.Tensor = op(*rebuild(list(args), leaves), **kwargs)
        return result

    return after(knowledge, call)


def known_of_operand(step: Step, item: Operand) -> Known | float | None:
    """What is known of an operand at the pairs of the sample sequence; a constant of one element is a number."""
    if isinstance(item.fact, Pairs):
        known: Known = item.fact.known
        return known
    if isinstance(item.fact, Static) and item.fact.constant and item.value.numel() == 1 and step.planning:
        return float(item.value)
    if is_free(step, item) and isinstance(item.fact, (Grid, Timed)) and item.node is not None:
        return known_at_probes(step, item.node)
    return None


def dtype_of(item: Operand) -> torch.dtype | None:
    """The dtype that the capture says an operand has."""
    found = item.node.meta.get("val") if item.node is not None else item.value
    return found.dtype if isinstance(found, torch.Tensor) else None


def _ranked(known: Known | float | None, rank: int) -> Known | float | None:
    """Regions with axes of size one in front, so that they broadcast against others."""
    if not isinstance(known, tuple):
        return known
    return tuple((region.reshape([1] * (rank - region.dim()) + list(region.shape)), v) for region, v in known)


# -- where keys are normalized and summed over ------------------------------------------------------------------------


def softmax(step: Step, facts: Any, x: torch.Tensor, dim: int, *rest: Any, **kwargs: Any) -> tuple[Any, Pairs]:
    """Weights over keys; over another axis than the frames', elementwise for every pair."""
    fact: Pairs = facts[0]
    return softmax_of(step, x, fact, dim % len(fact.shape), lambda v: target(step)(v, dim, *rest, **kwargs))


def softmax_of(step: Step, x: torch.Tensor, fact: Pairs, axis: int, op: Any) -> tuple[Any, Pairs]:
    """``op`` normalizes over ``axis``: what is masked gets the weight zero."""
    if axis == fact.axis:
        raise step.refuse(
            "it normalizes over all queries, those that have not come yet among them", "normalize over keys"
        )
    if axis != fact.past:
        return op(x), fact.with_(known=())
    x = without_unreal(step, x, fact, float("-inf"))
    hidden = masked(fact.known)
    _refuse_idle(step, fact, hidden)
    settle_reach(step, fact, hidden)
    return op(x), fact.with_(known=() if hidden is None else ((hidden, 0.0),))


def _refuse_idle(step: Step, fact: Pairs, hidden: torch.Tensor | None) -> None:
    """A query whose keys are all masked by a finite number reads all of them alike, those to come among them."""
    finite = any(float("-inf") < value <= MASKED for _, value in fact.known)
    if finite and hidden is not None and bool(hidden.all(fact.past).any()):
        raise step.refuse(
            "a query that has no key left reads all keys alike, those that have not come yet among them",
            "leave each query its own frame, or mask with -inf",
        )


def without_unreal(step: Step, x: torch.Tensor, fact: Pairs, fill: float) -> torch.Tensor:
    """The value with columns that stand before the first frame or after the last set to ``fill``."""
    real = real_columns(step, fact.keys)
    if real is None:
        return x
    return torch.where(over_pairs(step, real[:, None], fact), x, torch.full((), fill, dtype=x.dtype, device=x.device))


def over_pairs(step: Step, rows: torch.Tensor, fact: Pairs) -> torch.Tensor:
    """``[rows, queries, columns]`` so shaped that it broadcasts against a value over these pairs."""
    batch = step.batch_axis(fact.shape)
    rows = rows if fact.axis < fact.past else rows.transpose(1, 2)
    sizes: list[Any] = [1] * len(fact.shape)
    first, second = sorted((fact.axis, fact.past))
    sizes[first], sizes[second] = rows.shape[1], rows.shape[2]
    if batch is None or rows.shape[0] == 1:
        return rows[0].reshape(sizes)
    if batch > first:
        raise step.refuse("its batch stands behind its queries", "put the batch first")
    sizes[batch] = rows.shape[0]
    return rows.reshape(sizes)


def settle_reach(step: Step, fact: Pairs, zero: torch.Tensor | None) -> None:
    """Note how far queries reach where keys that must not count are known; refuse where some have not come yet.

    ``zero``: where the weight of a key is zero for certain, or will be.
    """
    if not step.planning:
        return
    numbers = probes_of(step, fact.shape[fact.axis])
    frames = len(numbers)
    read = torch.ones(frames, frames, dtype=torch.bool) if zero is None else _any_read(~zero, fact)
    found = reach_of(read, numbers)
    if isinstance(found, tuple):
        raise step.refuse(
            f"query {found[0]} reads key {found[1]}, a frame that has not come yet: it is not causal",
            "mask the keys after each query, as is_causal=True does",
        )
    step.plan.wanted.reach(fact.origins, found)


def sample_sizes(step: Step, fact: Pairs) -> list[int]:
    """The sizes of what is known of a value: frames are those that are looked at, the batch is one."""
    frames = len(probes_of(step, fact.shape[fact.axis]))
    around = (fact.axis, fact.past)
    return [frames if axis in around else step.size(size, 1) for axis, size in enumerate(fact.shape)]


def _any_read(read: torch.Tensor, fact: Pairs) -> torch.Tensor:
    """bool[queries, keys]: read in any head."""
    others = [axis for axis in range(read.dim()) if axis not in (fact.axis, fact.past)]
    found = read.amax(others) if others else read
    return found if fact.axis < fact.past else found.t()


def summed(step: Step, x: torch.Tensor, fact: Pairs) -> torch.Tensor:
    """The value ready to be summed over its keys: those that must not count are zero for certain."""
    settle_reach(step, fact, region_of(fact.known, 0.0))
    return without_unreal(step, x, fact, 0.0)


def queried(fact: Pairs, shape: Shape, axis: int) -> Timed:
    """The fact of what is left per query once keys are summed over."""
    return Timed(shape, axis, fact.delay, fact.length, reads=None)


def unchanged(step: Step, facts: Any, x: torch.Tensor, *_: Any, **__: Any) -> tuple[torch.Tensor, Pairs]:
    """An op that returns its operand."""
    return x, facts[0]


_SOFTMAX = (aten.softmax.int, aten._softmax.default, aten._safe_softmax.default)
PAIRWISE = pointwise
PAIRS = {
    **dict.fromkeys(_SOFTMAX, softmax),
    **dict.fromkeys([aten.alias.default, aten.detach.default, aten.clone.default], unchanged),
}
RULES: dict[Any, Any] = {}
