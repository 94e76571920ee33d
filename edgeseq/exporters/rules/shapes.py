"""Views: ops that move axes about, batch and time folds included."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import torch

from edgeseq.exporters.alignment import delay, settle
from edgeseq.exporters.copies import copied_in, keeps_copies
from edgeseq.exporters.facts import Place, Static, Timed
from edgeseq.exporters.framewise import Rows, framewise
from edgeseq.exporters.rules.pointwise import common_place
from edgeseq.exporters.rules.schema import axes_of, bound, each_result, picked, result_shape, target
from edgeseq.exporters.step import Step
from edgeseq.exporters.symbols import Shape, Size, mentions, product, quotient, simplest

aten = torch.ops.aten


@keeps_copies
def reshape(step: Step, facts: Any, x: torch.Tensor, *_: Any, **__: Any) -> tuple[Any, Any]:
    """view, as which reshape and flatten are captured: sizes are looked up, time is followed by its axis's strides."""
    fact, shape = facts[0], result_shape(step)
    place = _placed(step, fact, shape)
    x, fact = _whole_groups(step, x, fact, shape, place)
    return _view(step, fact, x, shape, place, lambda look, v: v.reshape(look))


def _placed(step: Step, fact: Timed, shape: Shape) -> Place:
    """Where a reshape puts time: sizes after it must divide, sizes before it follow."""
    axes = [axis for axis, size in enumerate(shape) if mentions(size, step.captured.time)]
    if len(axes) == 1:
        after = simplest(fact.inner * product(fact.shape[fact.axis + 1 :]))
        inner = quotient(after, product(shape[axes[0] + 1 :]))
        before = simplest(fact.outer * product(fact.shape[: fact.axis]))
        outer = quotient(before, product(shape[: axes[0]]))
        if isinstance(inner, Fraction) and inner.numerator == 1 and outer == 1:
            return Place(axes[0])
        if (
            inner is not None
            and outer is not None
            and not isinstance(outer, Fraction)
            and not isinstance(inner, Fraction)
        ):
            alone = outer == 1 and isinstance(inner, int)
            return Place(axes[0], outer, 1 if alone else inner)
    raise step.refuse(
        f"it spreads time over other axes: {list(fact.shape)} becomes {list(shape)}",
        "keep time whole: in one axis, alone or next to another whole axis",
    )


def _whole_groups(step: Step, x: torch.Tensor, fact: Timed, shape: Shape, place: Place) -> tuple[torch.Tensor, Timed]:
    """Frames that a reshape gathers in groups must start at a group's first frame: a delay line sees to it."""
    grown = quotient(shape[place.axis], simplest(place.outer * place.inner))
    length = step.length(grown) if grown is not None and not isinstance(grown, Fraction) else None
    group = fact.ratio / length.ratio if length is not None else Fraction(1)
    if group.denominator > 1 or group == 1:
        return (x, fact) if group == 1 else copied_in(step, x, fact)
    x, fact = copied_in(step, x, fact)
    if fact.head_frames % int(group):
        x, fact = settle(step, x, fact)
    return delay(step, x, fact, -fact.delay % int(group))


def _view(
    step: Step, fact: Timed, x: torch.Tensor, shape: Shape, place: Place, op: Callable[[Any, torch.Tensor], Any]
) -> tuple[Any, Any]:
    looked_up = Timed(shape, place.axis, 0, fact.length, place.outer, place.inner)
    return framewise(
        step,
        [fact],
        [x],
        shape=shape,
        place=place,
        position=fact.position,
        op=lambda sizes, value: op(sizes(looked_up), value),
    )


@keeps_copies
def permute(step: Step, facts: Any, x: torch.Tensor, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """permute, transpose and t: time goes where its axis goes."""
    fact, op = facts[0], target(step)
    numbered = torch.empty([axis + 1 for axis in range(len(fact.shape))], device="meta")
    axis = list(op(numbered, *args, **kwargs).shape).index(fact.axis + 1)
    return _view(step, fact, x, result_shape(step), fact.place.at(axis), lambda _, v: op(v, *args, **kwargs))


@keeps_copies
def unsqueeze(step: Step, facts: Any, x: torch.Tensor, dim: int) -> tuple[Any, Any]:
    """A new axis of size one."""
    fact = facts[0]
    dim %= len(fact.shape) + 1
    place = fact.place.at(fact.axis + (dim <= fact.axis))
    return _view(step, fact, x, result_shape(step), place, lambda _, v: v.unsqueeze(dim))


@keeps_copies
def squeeze(step: Step, facts: Any, x: torch.Tensor, dim: Any = None) -> tuple[Any, Any]:
    """Drop axes of size one: those that were one when captured, not a chunk that happens to be one frame long."""
    fact = facts[0]
    gone = tuple(axis for axis in axes_of(dim, len(fact.shape)) if fact.shape[axis] == 1)
    place = fact.place.at(fact.axis - sum(axis < fact.axis for axis in gone))
    return _view(step, fact, x, result_shape(step), place, lambda _, v: v.squeeze(gone))


def expand(step: Step, facts: Any, x: torch.Tensor, *_: Any, **__: Any) -> tuple[Any, Any]:
    """Repeat along axes of size one. A value without time that is spread over time is equal in every frame."""
    fact, shape = facts[0], result_shape(step)
    if isinstance(fact, Timed):
        place = fact.place.at(fact.axis + len(shape) - len(fact.shape))
        return _view(step, fact, x, shape, place, lambda look, v: v.expand(look))
    spread = uniform_fact(step, shape)
    return x.expand(step.sizes(spread, step.frames_of(spread))), spread


def uniform_fact(step: Step, shape: Shape) -> Timed:
    """The fact of a value that is equal in every frame."""
    axes = [axis for axis, size in enumerate(shape) if mentions(size, step.captured.time)]
    factor = step.captured.timed_factor(shape[axes[0]]) if len(axes) == 1 else None
    length = step.length(factor) if factor is not None else None
    if length is None:
        raise step.refuse(
            f"it makes a value with time in several axes, {list(shape)}, so every frame meets every other: not causal",
            "use scaled_dot_product_attention with is_causal=True",
        )
    outer = quotient(shape[axes[0]], factor)
    return Timed(shape, axes[0], 0, length, outer=outer, uniform=True)


def repeat(step: Step, facts: Any, x: torch.Tensor, repeats: Any) -> tuple[Any, Any]:
    """Tile along axes that are not time; a value without time may be tiled over time if it has size one there."""
    fact, shape = facts[0], result_shape(step)
    if isinstance(fact, Static):
        spread = uniform_fact(step, shape)
        missing = len(shape) - len(fact.shape)
        if spread.axis >= missing and fact.shape[spread.axis - missing] != 1:
            raise step.refuse("a pattern longer than one frame is repeated over time", "expand a single frame")
        times = [1 if axis == spread.axis else step.size(size) for axis, size in enumerate(_plain(step, repeats))]
        sizes = step.sizes(spread, step.frames_of(spread))
        whole = x.repeat(times)
        return whole.expand(sizes), spread
    missing = len(shape) - len(fact.shape)
    if repeats[fact.axis + missing] != 1:
        raise step.refuse("it repeats the whole sequence", "repeat along another axis")
    place = fact.place.at(fact.axis + missing)
    return _view(step, fact, x, shape, place, lambda look, v: v.repeat(_times(look, v, place.axis)))


def _times(sizes: list[Any], value: torch.Tensor, time_axis: int) -> list[Any]:
    """How often to repeat each axis to reach the looked-up sizes."""
    before = [1] * (len(sizes) - value.dim()) + list(value.shape)
    return [1 if axis == time_axis else size // own for axis, (size, own) in enumerate(zip(sizes, before, strict=True))]


def _plain(step: Step, repeats: Any) -> list[Size]:
    return [1 if not isinstance(count, (int, torch.SymInt)) else count for count in repeats]


def concatenate(step: Step, facts: Any, tensors: list[torch.Tensor], dim: int = 0) -> tuple[Any, Any]:
    """Concatenate or stack along an axis that is not time."""
    shape, op = result_shape(step), target(step)
    dim %= len(shape)
    place = common_place(step, facts[0], len(facts[0][0].shape))
    if op is aten.stack.default:
        place = place.at(place.axis + (dim <= place.axis))
    elif dim == place.axis:
        raise step.refuse("it joins pieces of time", "pad with torch.nn.functional.pad instead")
    # Counted from the end, the axis is the same with a row axis in front: positions need no mapping over rows, under
    # which torch takes the sizes of a cat for fixed.
    rows: Rows = "leading" if all(isinstance(fact, Timed) and fact.rowed for fact in facts[0]) else "map"
    return framewise(
        step, facts[:1], [tensors], place=place, op=lambda _, parts: op(parts, dim - len(shape)), rows=rows
    )


def pieces(step: Step, facts: Any, x: torch.Tensor, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """split and unbind along an axis that is not time: one slice per result."""
    fact, op = facts[0], target(step)
    dim = bound(step, (x, *args), kwargs)["dim"] % len(fact.shape)
    if dim == fact.axis:
        raise step.refuse("it cuts time into pieces", "slice fixed offsets, or fold time with reshape")
    axis = fact.axis - (op is aten.unbind.int and dim < fact.axis)

    def run(index: int | None) -> tuple[Any, Any]:
        return _view(
            step,
            fact,
            x,
            result_shape(step, index),
            fact.place.at(axis),
            lambda _, value: picked(op(value, *args, **kwargs), index),
        )

    return each_result(step, run)


RULES = {
    **dict.fromkeys([aten.view.default, aten._unsafe_view.default], reshape),
    **dict.fromkeys([aten.permute.default, aten.transpose.int, aten.t.default], permute),
    aten.unsqueeze.default: unsqueeze,
    **dict.fromkeys([aten.squeeze.default, aten.squeeze.dim, aten.squeeze.dims], squeeze),
    aten.expand.default: expand,
    aten.repeat.default: repeat,
    aten.stack.default: concatenate,
    **dict.fromkeys([aten.split.Tensor, aten.split_with_sizes.default, aten.unbind.int], pieces),
}
