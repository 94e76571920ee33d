"""Padding along time: constants, negative amounts, and frames copied from elsewhere in time.

A constant in front is a lead whose head is known (:func:`leading`). A copy in front is known once what it copies has
come (:mod:`edgeseq.exporters.copies`). Behind, both are written over what follows the last frame.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from edgeseq.exporters.alignment import past_end, settle, until_end
from edgeseq.exporters.copies import copied_in, keeps_copies
from edgeseq.exporters.facts import Head, Scalar, Timed
from edgeseq.exporters.framewise import framewise
from edgeseq.exporters.rules.schema import bound, result_shape, target
from edgeseq.exporters.rules.shifts import dropped
from edgeseq.exporters.rules.tails import tail_is_cut
from edgeseq.exporters.step import Step
from edgeseq.exporters.symbols import Size, simplest

aten = torch.ops.aten
#: Periods of a length after which it is far from zero frames.
_FAR = 1024


@keeps_copies
def pad(step: Step, facts: Any, x: torch.Tensor, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Padding of any mode, over time and other axes."""
    named = bound(step, (x, *args), kwargs)
    fact, shape = facts[0], result_shape(step)
    pads, mode = list(named.get("pad") or named["padding"]), _mode(step, named)
    if not isinstance(fact, Timed):
        raise step.refuse("it pads a value to the length of all time", "make it as long as it must be, once")
    if mode == "circular":
        raise step.refuse("circular padding brings frames of the end of time to its start", "pad with a constant")
    fill = named.get("value") or 0.0
    first = 2 * (len(fact.shape) - 1 - fact.axis)
    front, behind = [*pads, *[0] * (first + 2)][first : first + 2] if first < len(pads) else (0, 0)
    if isinstance(behind, Scalar) and isinstance(front, int) and step.length(shape[fact.axis]) is not None:
        # Up to a multiple of frames: how many follow is told by the length alone.
        behind = simplest(shape[fact.axis] - fact.shape[fact.axis] - front)
    if any(isinstance(amount, Scalar) for amount in (front, behind)):
        raise step.refuse("it pads by an amount that depends on the length of time", "pad by a fixed amount")
    others = [0 if first <= place < first + 2 else amount for place, amount in enumerate(pads)]
    if any(others):
        x, fact = _padded_across(step, x, fact, others, mode, fill)
    if not front and not behind:
        return x, fact
    if fact.folded or fact.rowed:
        raise step.refuse("it pads time folded with another axis", "give time an axis of its own")
    if mode == "constant":
        return _padded(step, *copied_in(step, x, fact), front, behind, fill)
    return reflected(step, x, fact, front, behind, mode)


def _mode(step: Step, named: dict[str, Any]) -> str:
    """constant, reflect, replicate or circular, as ``torch.nn.functional.pad`` names them."""
    words = {"reflection_pad": "reflect", "replication_pad": "replicate"}
    name = target(step).name()
    return next((mode for word, mode in words.items() if word in name), named.get("mode", "constant"))


def _padded_across(step: Step, x: torch.Tensor, fact: Timed, pads: list[int], mode: str, fill: float) -> Any:
    """Padding of other axes than time."""
    shape = result_shape(step)
    return framewise(
        step,
        [fact],
        [x],
        shape=tuple(size if axis == fact.axis else shape[axis] for axis, size in enumerate(fact.shape)),
        place=fact.place,
        op=lambda _, v: torch.nn.functional.pad(v, pads, mode, fill if mode == "constant" else None),
    )


def _padded(step: Step, x: torch.Tensor, fact: Timed, front: int, behind: Any, fill: float) -> tuple[Any, Any]:
    """A constant in front of time is a lead whose head it is; behind time it is written over the end."""
    size, added = fact.shape[fact.axis], behind if isinstance(behind, int) else 1
    if added > 0 and not tail_is_cut(step, step.length(size + max(front, 0))):
        x, fact = past_end(step, x, fact, fill)
    fact = longer(step, fact, simplest(size + front + behind))
    if front < 0:
        return dropped(step, x, fact, -front)
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


def reflected(
    step: Step, x: torch.Tensor, fact: Timed, left: int, right: Size, mode: str = "reflect"
) -> tuple[torch.Tensor, Timed]:
    """Reflect or replicate padding along time: ``left`` frames in front, ``right`` behind, which may depend on time.

    The fact may carry copied first frames, which are not in the stream: ``windowed`` puts them in place at no further
    delay where its windows reach as far as ``2 * left`` frames (``left`` for replicate). A rule that does not know of
    them, one without :func:`keeps_copies`, gets them in the stream, that much later.
    """
    if fact.folded or fact.rowed:
        raise step.refuse("it pads time folded with another axis", "give time an axis of its own")
    least, most = _bounds(step, fact, right)
    if left < 0 or least < 0:
        raise step.refuse(f"it pads in mode {mode} by a negative amount", "cut with a slice")
    size = fact.shape[fact.axis]
    x, fact = settle(step, x, fact)
    if most and not tail_is_cut(step, step.length(size + left)):
        x, fact = _mirrored_behind(step, x, fact, most, mode)
    fact = longer(step, fact, simplest(size + left + right))
    if left == 0 or fact.uniform:
        return x, fact
    copied = [2 * left - frame if mode == "reflect" else left for frame in range(left)]
    return x, fact.with_(delay=fact.delay - left, copied=tuple(copied), reads=fact.shifted(-left))


def _bounds(step: Step, fact: Timed, added: Size) -> tuple[int, int]:
    """The least and the largest number that a size, added to the length of a value, stands for."""
    if isinstance(added, int):
        return added, added
    before, after = fact.length, step.length(simplest(fact.shape[fact.axis] + added))
    if after is None or after.ratio != before.ratio:
        raise step.refuse("it pads by more and more frames as time goes on", "pad by a bounded number")
    period = math.lcm(before.period, after.period)
    pairs = ((before(frames), after(frames)) for frames in range(_FAR * period, (_FAR + 1) * period))
    amounts = [longer - shorter for shorter, longer in pairs if longer is not None and shorter is not None]
    return min(amounts), max(amounts)


def _mirrored_behind(step: Step, x: torch.Tensor, fact: Timed, frames: int, mode: str) -> tuple[torch.Tensor, Timed]:
    """The value with what follows its last frame copied from the frames before the end."""
    if fact.uniform:
        return x, fact
    x, fact = until_end(step, x, fact)
    axis, reach = fact.axis, 2 * frames if mode == "reflect" else frames
    kept = step.state(
        "before_end",
        kind="conv",
        shape=(*fact.shape[:axis], reach, *fact.shape[axis + 1 :]),
        dtype=x.dtype,
    )
    joined = torch.cat([kept.value, x], axis)
    kept.next = aten.slice.Tensor(joined, axis, -reach)
    places = torch.arange(x.shape[axis], device=step.device)
    last = step.real_frames(fact)[:, None] - 1
    behind = 2 * last - places if mode == "reflect" else last
    source = (torch.where(places <= last, places, behind) + reach).clamp(min=0)
    index = step.over_rows(source, fact).expand(x.shape)
    return joined.gather(axis, index), fact


def longer(step: Step, fact: Timed, size: Size) -> Timed:
    """The fact of the same frames in a sequence of another length."""
    shape = (*fact.shape[: fact.axis], size, *fact.shape[fact.axis + 1 :])
    length = step.length(size)
    assert length is not None
    return fact.with_(shape=shape, length=length, uniform=False, position=None)


RULES = {
    **dict.fromkeys([aten.pad.default, aten.constant_pad_nd.default], pad),
    **dict.fromkeys(
        [
            aten.reflection_pad1d.default,
            aten.reflection_pad2d.default,
            aten.reflection_pad3d.default,
            aten.replication_pad1d.default,
            aten.replication_pad2d.default,
            aten.replication_pad3d.default,
        ],
        pad,
    ),
}
