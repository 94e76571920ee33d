"""Convolutions along time: any kernel, dilation, stride and padding, with look-ahead where the padding gives it.

A frame ``j`` of the result reads the frames ``j * stride - pad + q * dilation`` of its operand. The arithmetic of
delays and histories is in ``docs/transform.md``::

    operand   . . . h h h | x x x x     h: history, H = stride * D' + pad - D frames
    result              y   y y y       D' = floor((D + (kernel - 1) * dilation - pad) / stride)
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch.utils._sympy.functions import FloorDiv

from edgeseq.exporters.alignment import last_frames, past_end, ready
from edgeseq.exporters.copies import copied_in, keeps_copies, windows_over
from edgeseq.exporters.facts import Head, Timed
from edgeseq.exporters.rules.features import same_axes
from edgeseq.exporters.rules.schema import bound, result_shape
from edgeseq.exporters.rules.tails import tail_is_cut
from edgeseq.exporters.step import Step
from edgeseq.exporters.symbols import Size

aten = torch.ops.aten


@dataclass(frozen=True)
class Windows:
    """How a windowed op reads time: frames, and the padding it adds itself."""

    kernel: int
    dilation: int
    stride: int
    left: int
    right: int

    @property
    def span(self) -> int:
        """Frames from the first to the last that one window reads, less one."""
        return (self.kernel - 1) * self.dilation

    def delay(self, delay: int) -> int:
        """The result's delay, in its own frames, for an operand that comes ``delay`` frames late."""
        return (delay + self.span - self.left) // self.stride

    def history(self, delay: int) -> int:
        """Frames of earlier calls that a call needs; negative: frames of this call that it skips."""
        return self.stride * self.delay(delay) + self.left - delay

    def reads(self, fact: Timed) -> tuple[Fraction, Fraction] | None:
        """The base frames that a frame of the result depends on."""
        if fact.reads is None:
            return None
        return fact.reads[0] - self.left / fact.ratio, fact.reads[1] + (self.span - self.left) / fact.ratio

    def inside(self, size: Size) -> Size:
        """Results whose windows end within ``size`` frames."""
        if self.stride == 1:
            return size + self.left - self.span
        return FloorDiv(size + self.left - self.span - 1, self.stride) + 1


@keeps_copies
def convolution(
    step: Step, facts: Any, x: torch.Tensor, weight: torch.Tensor, *args: Any, **kwargs: Any
) -> tuple[Any, Any]:
    """conv1d, conv2d, conv3d, with time as one of their spatial axes or as the batch axis."""
    fact = facts[0]
    if not isinstance(fact, Timed):
        raise step.refuse("the weight of a convolution changes with time", "compute it from weights")
    named = bound(step, (x, weight, *args), kwargs)
    spatial = weight.dim() - 2
    place = fact.axis - (len(fact.shape) - spatial)
    if place < 0 or (fact.folded and _sees_single_frames(named, weight)):
        return same_axes(step, facts, x, weight, *args, **kwargs)
    if fact.folded or fact.rowed:
        raise step.refuse("it convolves over time folded with another axis", "give time an axis of its own")
    strides, dilations = per_axis(named["stride"], spatial), per_axis(named["dilation"], spatial)
    pads = _paddings(named["padding"], weight, dilations)
    windows = Windows(int(weight.shape[2 + place]), dilations[place], strides[place], *pads[place])
    pads[place] = (0, 0)
    around = [amount for pair in reversed(pads) for amount in pair]

    def run(frames: torch.Tensor) -> torch.Tensor:
        padded = torch.nn.functional.pad(frames, around) if any(around) else frames
        function = (torch.conv1d, torch.conv2d, torch.conv3d)[spatial - 1]
        return function(padded, weight, named["bias"], strides, 0, dilations, named["groups"])

    return windowed(step, x, fact, windows, run)


def _sees_single_frames(named: dict[str, Any], weight: torch.Tensor) -> bool:
    """True for a kernel of one that neither pads nor skips: then it does not matter what shares an axis with time."""
    spatial = weight.dim() - 2
    padded = named["padding"] not in ("same", "valid") and any(per_axis(named["padding"], spatial))
    return {*weight.shape[2:]} == {1} and {*per_axis(named["stride"], spatial)} == {1} and not padded


def per_axis(value: Any, axes: int) -> list[int]:
    """One number per axis, from a number, a list of one, or a list."""
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    return [int(item) for item in (values * axes if len(values) == 1 else values)]


def _paddings(padding: Any, weight: torch.Tensor, dilations: list[int]) -> list[tuple[int, int]]:
    if padding == "valid":
        return [(0, 0)] * len(dilations)
    if padding == "same":
        totals = [(int(size) - 1) * gap for size, gap in zip(weight.shape[2:], dilations, strict=True)]
        return [(total // 2, total - total // 2) for total in totals]
    return [(amount, amount) for amount in per_axis(padding, len(dilations))]


def windowed(
    step: Step, x: torch.Tensor, fact: Timed, windows: Windows, run: Any, fill: float = 0.0
) -> tuple[torch.Tensor, Timed]:
    """Stream an op that reads windows of time; ``run`` applies it, without padding, to the frames it is given.

    ``fill`` is what the op's own padding holds.
    """
    size = fact.shape[fact.axis]
    if fact.copied and windows.left:
        x, fact = copied_in(step, x, fact)
    if windows.right > 0 and not tail_is_cut(step, step.length(windows.inside(size))):
        x, fact = past_end(step, x, fact, fill)
    if fact.copied:
        joined, late = windows_over(step, x, fact, windows.span, windows.stride)
        return run(joined), _made(step, fact, windows, late)
    x, fact, start = _at_a_start(step, x, fact, needed=windows.left > 0)
    axis = fact.axis
    history = windows.history(fact.delay)
    if history > 0:
        state = step.state(
            "history",
            kind="conv",
            shape=(*fact.shape[:axis], history, *fact.shape[axis + 1 :]),
            dtype=x.dtype,
            start=start,
            initial=last_frames(fact, history, fill),
        )
        joined = torch.cat([state.value, x], axis)
        # Counted from the end, so that no size of the call is computed in the graph.
        state.next = aten.slice.Tensor(joined, axis, -history)
    else:
        joined = aten.slice.Tensor(x, axis, -history) if history else x
    made = _made(step, fact, windows, windows.delay(fact.delay))
    return run(joined), _head_of(step, x, fact, made, windows, run, fill)


def _made(step: Step, fact: Timed, windows: Windows, late: int) -> Timed:
    """The fact of a result that comes ``late`` frames late."""
    shape, axis = result_shape(step), fact.axis
    length = step.length(shape[axis])
    if length is None:
        raise step.refuse(f"its length {shape[axis]} does not grow evenly with time", "use a fixed stride")
    return Timed(shape, axis, late, length, reads=windows.reads(fact))


def _at_a_start(step: Step, x: torch.Tensor, fact: Timed, *, needed: bool) -> tuple[torch.Tensor, Timed, int]:
    """The operand so delayed that its history can be started anew just when its first real frame comes.

    Without padding or a head no real result reads what was in the history before: no start is needed then.
    """
    if not needed and fact.head is None:
        return x, fact, 0
    start = step.start_of(fact)
    return ready(step, x, fact) if start is None else (x, fact, start)


def _head_of(step: Step, x: torch.Tensor, fact: Timed, made: Timed, windows: Windows, run: Any, fill: float) -> Timed:
    """Results whose windows hold nothing but padding and head are known at export: the result's own head."""
    frames = (fact.delay + fact.head_frames) // windows.stride - made.delay
    if frames <= 0:
        return made
    if not step.planning:
        return made.with_(head=Head(frames, None))
    needed = (frames - 1) * windows.stride + windows.span + 1
    pad = torch.full(step.head_sizes(fact, windows.left), fill, dtype=x.dtype, device=x.device)
    pieces = [pad] if fact.head is None or fact.head.value is None else [pad, fact.head.value]
    return made.with_(head=Head(frames, run(torch.cat(pieces, fact.axis).narrow(fact.axis, 0, needed))))


RULES = dict.fromkeys(
    [
        aten.conv1d.default,
        aten.conv1d.padding,
        aten.conv2d.default,
        aten.conv2d.padding,
        aten.conv3d.default,
        aten.conv3d.padding,
    ],
    convolution,
)
