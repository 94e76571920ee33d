"""Shifts along time: slices, pads and the last step."""

from __future__ import annotations

from typing import Any

import torch

from edgeseq.contract import Length
from edgeseq.exporters.alignment import past_end, ready
from edgeseq.exporters.facts import Head, Scalar, Static, Summary, Timed
from edgeseq.exporters.framewise import framewise
from edgeseq.exporters.rules.positions import table_rows
from edgeseq.exporters.rules.schema import bound, result_shape
from edgeseq.exporters.rules.shapes import concatenate
from edgeseq.exporters.step import Step
from edgeseq.exporters.symbols import Size, simplest

aten = torch.ops.aten


def cut(step: Step, facts: Any, x: torch.Tensor, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """A slice. Along time, frames dropped in front are a delay, frames dropped at the end shorten the length."""
    named = bound(step, (x, *args), kwargs)
    fact, shape = facts[0], result_shape(step)
    dim, stride = named["dim"] % len(fact.shape), named["step"]
    first = _from_the_start(step, named["start"] or 0, fact.shape[dim])
    if isinstance(fact, Static):
        if isinstance(first, Scalar) or stride != 1:
            raise step.refuse("a table is read backwards or in strides of time", "read its rows in order")
        return table_rows(step, x, fact, dim, first)
    if dim != fact.axis:
        return framewise(
            step,
            facts[:1],
            [x],
            shape=shape,
            place=fact.place,
            position=fact.position,
            op=lambda _, v: aten.slice.Tensor(v, dim, first, named["end"], stride),
        )
    if shape[dim] == fact.shape[dim]:
        return x, fact
    length = step.length(shape[dim])
    if length is None and shape[dim] == 1 and first == -1:
        return last_frame(step, x, fact, keepdim=True)
    if length is None and isinstance(shape[dim], int) and isinstance(first, int) and first >= 0:
        raise step.refuse(
            f"it keeps {shape[dim]} frames counted from the start of all time",
            "pass those frames as an input of their own, without a time axis",
        )
    if length is not None and length.ratio != fact.ratio:
        raise step.refuse(f"it keeps a share of all time, {shape[dim]} frames", "keep all but a fixed number of frames")
    if length is None or isinstance(first, Scalar) or first < 0 or fact.folded:
        raise step.refuse(
            f"it keeps {shape[dim]} frames counted from the end of time",
            "keep frames counted from the start, or the last one",
        )
    if stride != 1:
        raise step.refuse("it skips frames", "use a strided convolution or average pooling")
    return _dropped(step, x, fact.with_(shape=shape, length=length), first)


def _from_the_start(step: Step, first: Any, size: Size) -> Any:
    """A start that is computed from sizes and is a constant all the same: ``-(T - 2)`` of T frames is 2."""
    if not isinstance(first, Scalar):
        return first
    length = step.length(simplest(-first.size)) if not isinstance(first.size, int) else None
    counted = simplest(size + first.size) if length is not None else first.size
    return counted if isinstance(counted, int) and counted >= 0 else first


def _dropped(step: Step, x: torch.Tensor, fact: Timed, frames: int) -> tuple[torch.Tensor, Timed]:
    """The value without its first ``frames`` frames: those of the head go first, the rest is delay."""
    position = fact.position and (fact.position[0], fact.position[1] + fact.position[0] * frames)
    fact = fact.with_(reads=fact.shifted(frames), position=position)
    if fact.head is None or fact.head.frames <= frames:
        return x, fact.with_(delay=fact.delay + frames, head=None)
    kept = fact.head.frames - frames
    head = fact.head.value
    value = None if head is None else head.narrow(fact.axis, frames, kept)
    return x, fact.with_(delay=fact.delay + frames, head=Head(kept, value))


def pick(step: Step, facts: Any, x: torch.Tensor, dim: int, index: Any) -> tuple[Any, Any]:
    """``x.select``: one feature of every frame, or the last frame of all."""
    fact = facts[0]
    dim %= len(fact.shape)
    if dim == fact.axis:
        if index != -1:
            raise step.refuse("it takes one frame of all time", "take the last step, or pass that frame separately")
        return last_frame(step, x, fact, keepdim=False)
    return framewise(
        step,
        facts[:1],
        [x],
        place=fact.place.at(fact.axis - (dim < fact.axis)),
        position=fact.position,
        op=lambda _, v: v.select(dim, index),
    )


def last_frame(step: Step, x: torch.Tensor, fact: Timed, *, keepdim: bool) -> tuple[Any, Any]:
    """The last step: the last frame of the call, held once the stream has ended."""
    if fact.folded:
        raise step.refuse("it takes the last frame of time folded with another axis", "give time an axis of its own")
    x, fact, start = ready(step, x, fact, to_end=True)
    axis = fact.axis + fact.rowed
    shape = result_shape(step)
    if fact.rowed:
        raise step.refuse("it takes the last position", "use the length itself")
    last = x.narrow(axis, x.shape[axis] - 1, 1)
    if step.flushes:
        last = _held(step, x, fact, start)
    return (last if keepdim else last.squeeze(axis)), Summary(shape, fact.late_frames)


def _held(step: Step, x: torch.Tensor, fact: Timed, start: int) -> torch.Tensor:
    """The last frame before the end of the stream, kept in a state from then on."""
    axis = fact.axis
    shape = (*fact.shape[:axis], 1, *fact.shape[axis + 1 :])
    state = step.state("last", kind="summary", shape=shape, dtype=x.dtype, start=start)
    real = step.real_frames(fact)
    one = fact.with_(shape=shape)
    index = step.over_rows(step.at_most((real - 1).clamp(min=0), x.shape[axis] - 1)[:, None], one)
    chosen = x.gather(axis, index.expand(step.sizes(one, 1)))
    state.next = torch.where(step.over_rows((real > 0)[:, None], one), chosen, state.value)
    return state.next


def pad(step: Step, facts: Any, x: torch.Tensor, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Constant padding. In front of time it is a lead whose head is the padding; behind it is written over the end."""
    named = bound(step, (x, *args), kwargs)
    fact, shape, pads = facts[0], result_shape(step), list(named["pad"])
    if not isinstance(fact, Timed):
        raise step.refuse("it pads a value to the length of all time", "make it as long as it must be, once")
    if named.get("mode", "constant") != "constant":
        raise step.refuse(f"{named['mode']} padding copies frames from elsewhere in time", "pad with a constant")
    fill = named.get("value") or 0.0
    across = len(fact.shape) - 1 - fact.axis
    front, behind = (pads[2 * across], pads[2 * across + 1]) if 2 * across < len(pads) else (0, 0)
    if any(isinstance(amount, Scalar) for amount in (front, behind)):
        raise step.refuse("it pads by an amount that depends on the length of time", "pad by a fixed amount")
    others = list(pads)
    if 2 * across < len(pads):
        others[2 * across : 2 * across + 2] = [0, 0]
    if any(others):
        between = tuple(size if axis == fact.axis else shape[axis] for axis, size in enumerate(fact.shape))
        x, fact = framewise(
            step,
            [fact],
            [x],
            shape=between,
            place=fact.place,
            op=lambda _, v: torch.nn.functional.pad(v, others, value=fill),
        )
    if front or behind:
        if fact.folded or fact.rowed:
            raise step.refuse("it pads time folded with another axis", "give time an axis of its own")
        x, fact = _padded(step, x, fact, front, behind, fill)
    return x, fact


def _padded(step: Step, x: torch.Tensor, fact: Timed, front: int, behind: int, fill: float) -> tuple[Any, Any]:
    size = fact.shape[fact.axis]
    if behind > 0 and not _tail_is_cut(step, size + max(front, 0)):
        x, fact = past_end(step, x, fact, fill)
    fact = _longer(step, fact, size + front + behind)
    if front < 0:
        return _dropped(step, x, fact, -front)
    if front == 0:
        return x, fact
    return x, leading(step, fact, torch.full(step.head_sizes(fact, front), fill, dtype=x.dtype, device=step.device))


def leading(step: Step, fact: Timed, pad: torch.Tensor) -> Timed:
    """The fact with known frames in front: ``pad`` before what is in the head already."""
    frames = pad.shape[fact.axis]
    old = fact.head_frames
    value = None
    if step.planning:
        value = pad if fact.head is None or fact.head.value is None else torch.cat([pad, fact.head.value], fact.axis)
    return fact.with_(
        delay=fact.delay - frames,
        head=Head(old + frames, value),
        uniform=False,
        position=None,
        reads=fact.shifted(-frames),
    )


def _longer(step: Step, fact: Timed, size: Size) -> Timed:
    shape = (*fact.shape[: fact.axis], size, *fact.shape[fact.axis + 1 :])
    length = step.length(size)
    assert length is not None
    return fact.with_(shape=shape, length=length, uniform=False, position=None)


def _tail_is_cut(step: Step, kept: Size) -> bool:
    """True when all that follows the current node keeps at most ``kept`` frames, so that its tail is never read."""
    return tail_is_cut(step, step.length(kept))


def tail_is_cut(step: Step, kept: Length | None) -> bool:
    """True when every user of the current node is a slice along time that ends within the length ``kept``."""
    assert step.node is not None
    if kept is None or not step.node.users or step.is_output(step.node):
        return False
    return all(_ends_within(step, user, kept) for user in step.node.users)


def _ends_within(step: Step, user: torch.fx.Node, kept: Length) -> bool:
    if user.target is not aten.slice.Tensor:
        return False
    named: dict[str, Any] = {
        "dim": 0,
        "start": 0,
        "step": 1,
        **dict(zip(("x", "dim", "start", "end", "step"), user.args, strict=False)),
    }
    before, after = (step.captured.shape(node.meta["val"]) for node in (step.node, user))  # type: ignore[union-attr]
    dim = int(named["dim"]) % len(before)
    length = step.length(after[dim])
    if length is None:
        # the slice keeps another axis whole: look at what is made of it
        return before == after and not step.is_output(user) and all(_ends_within(step, u, kept) for u in user.users)
    start = named["start"] or 0
    if before[dim] == after[dim] and start == 0:
        return not step.is_output(user) and bool(user.users) and all(_ends_within(step, u, kept) for u in user.users)
    if (
        not isinstance(start, int)
        or start < 0
        or named["step"] != 1
        or (length.period, length.frames) != (kept.period, kept.frames)
    ):
        return False
    return all(
        end is not None and limit is not None and end + start <= limit
        for end, limit in zip(length.at, kept.at, strict=True)
    )


def join(step: Step, facts: Any, tensors: list[torch.Tensor], dim: int = 0) -> tuple[Any, Any]:
    """Concatenation: along features it mixes no frames; known frames in front of time are a pad."""
    timed = [fact for fact in facts[0] if isinstance(fact, Timed)]
    known = facts[0][:-1]
    along_time = len(timed) == 1 and timed[0].axis == dim % len(timed[0].shape) and timed[0] is facts[0][-1]
    if not along_time or not known:
        return concatenate(step, facts, tensors, dim)
    fact, shape = timed[0], result_shape(step)
    if fact.folded or fact.rowed or any(not isinstance(other, Static) or other.conditioned for other in known):
        raise step.refuse("frames that depend on the input are put in front of time", "pad with zeros or weights")
    pieces = [_one_row(step, piece, piece_fact) for piece, piece_fact in zip(tensors, known, strict=False)]
    return tensors[-1], leading(step, _longer(step, fact, shape[fact.axis]), torch.cat(pieces, fact.axis))


def _one_row(step: Step, piece: torch.Tensor, fact: Static) -> torch.Tensor:
    batch = step.batch_axis(fact.shape)
    return piece if batch is None else piece.narrow(batch, 0, 1)


RULES = {
    aten.slice.Tensor: cut,
    aten.select.int: pick,
    **dict.fromkeys([aten.pad.default, aten.constant_pad_nd.default], pad),
    **dict.fromkeys([aten.cat.default, aten.concat.default], join),
}
