"""Transposed convolutions along time: every frame adds a window to the result, and windows overlap.

Frame ``i`` of the operand adds to the frames ``i * stride - trim + q * dilation`` of the result. What a call adds past
its own frames is the state, without bias; its ``start`` clears it when the first real frame comes::

    call        y y y y y y | s s s       y: stride frames for each of the operand's
    next call               | y y y y     s: overlap, (kernel - 1) * dilation + 1 - stride frames

Frames past the end of the operand would add to the tail, so they are set to zero where it is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch

from edgeseq.exporters.alignment import past_end, ready
from edgeseq.exporters.facts import Timed
from edgeseq.exporters.rules.convolution import per_axis
from edgeseq.exporters.rules.features import same_axes
from edgeseq.exporters.rules.schema import bound, result_shape
from edgeseq.exporters.rules.tails import tail_is_cut
from edgeseq.exporters.step import Step
from edgeseq.exporters.symbols import simplest

aten = torch.ops.aten


@dataclass(frozen=True)
class Spread:
    """A transposed convolution untrimmed along time, the spatial axis ``place``: ``trim`` frames are dropped later.

    Lists hold a number per spatial axis; those of time in ``pads`` and ``extras`` serve the untrimmed form.
    """

    weight: torch.Tensor
    bias: torch.Tensor | None
    place: int
    strides: list[int]
    pads: list[int]
    extras: list[int]
    groups: int
    dilations: list[int]
    trim: int

    @property
    def stride(self) -> int:
        """Frames of the result for each of the operand."""
        return self.strides[self.place]

    @property
    def reach(self) -> int:
        """Frames from the first to the last that one frame of the operand adds to."""
        return (int(self.weight.shape[2 + self.place]) - 1) * self.dilations[self.place]

    @property
    def overlap(self) -> int:
        """Frames that two calls add to; negative where windows leave gaps."""
        return self.reach + 1 - self.stride

    def delay(self, delay: int) -> int:
        """The result's delay, in its own frames, for an operand that comes ``delay`` frames late."""
        return self.stride * delay + self.trim

    def reads(self, fact: Timed) -> tuple[Fraction, Fraction] | None:
        """The base frames that a frame of the result depends on."""
        if fact.reads is None:
            return None
        ratio = self.stride * fact.ratio
        return fact.reads[0] + (self.trim - self.reach) / ratio, fact.reads[1] + self.trim / ratio

    def add(self, frames: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        """All that these frames add to the result."""
        function: Any = (torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d)[len(self.strides) - 1]
        found: torch.Tensor = function(
            frames, self.weight, bias, self.strides, self.pads, self.extras, self.groups, self.dilations
        )
        return found

    def biased(self, added: torch.Tensor) -> torch.Tensor:
        """The sum of windows with the bias on it, once."""
        return added if self.bias is None else added + self.bias.reshape(-1, *[1] * len(self.strides))


def transposed(
    step: Step, facts: Any, x: torch.Tensor, weight: torch.Tensor, *args: Any, **kwargs: Any
) -> tuple[Any, Any]:
    """conv_transpose1d, 2d and 3d, with time as one of their spatial axes or as the batch axis."""
    fact = facts[0]
    if not isinstance(fact, Timed):
        raise step.refuse("the weight of a convolution changes with time", "compute it from weights")
    named = bound(step, (x, weight, *args), kwargs)
    spatial = weight.dim() - 2
    place = fact.axis - (len(fact.shape) - spatial)
    if place < 0:
        return same_axes(step, facts, x, weight, *args, **kwargs)
    if fact.folded or fact.rowed:
        raise step.refuse("it convolves over time folded with another axis", "give time an axis of its own")
    words = ("stride", "padding", "output_padding", "dilation")
    strides, pads, extras, dilations = (per_axis(named[word], spatial) for word in words)
    trim, extra, pads[place] = pads[place], extras[place], 0
    # The gap behind a call's last window belongs to the call.
    extras[place] = max(0, strides[place] - 1 - (int(weight.shape[2 + place]) - 1) * dilations[place])
    spread = Spread(weight, named["bias"], place, strides, pads, extras, named["groups"], dilations, trim)
    if spread.overlap + extra > trim and not _tail_is_cut(step, fact, spread):
        x, fact = past_end(step, x, fact, 0.0)
    if spread.overlap > 0:
        return _overlapped(step, x, fact, spread)
    return spread.add(x, spread.bias), _fact_of(step, fact, spread)


def _tail_is_cut(step: Step, fact: Timed, spread: Spread) -> bool:
    """True where no frame is kept to which a frame past the end of the operand would add."""
    return tail_is_cut(step, step.length(simplest(fact.shape[fact.axis] * spread.stride - spread.trim)))


def _overlapped(step: Step, x: torch.Tensor, fact: Timed, spread: Spread) -> tuple[torch.Tensor, Timed]:
    """The sum of windows; a call keeps those frames to which the next one adds."""
    if step.start_of(fact) is None:
        x, fact, _ = ready(step, x, fact)
    axis, overlap, shape = fact.axis, spread.overlap, result_shape(step)
    state = step.state(
        "overlap",
        kind="conv",
        shape=(*shape[:axis], overlap, *shape[axis + 1 :]),
        dtype=x.dtype,
        start=step.start_of(fact) or 0,
        initial=_left_by_head(fact, spread),
    )
    added = spread.add(x, None)
    first, rest = added.narrow(axis, 0, overlap), aten.slice.Tensor(added, axis, overlap)
    summed = torch.cat([first + state.value, rest], axis)
    # Counted from the end, so that no size of the call is computed in the graph.
    state.next = aten.slice.Tensor(summed, axis, -overlap)
    return spread.biased(aten.slice.Tensor(summed, axis, 0, -overlap)), _fact_of(step, fact, spread)


def _left_by_head(fact: Timed, spread: Spread) -> torch.Tensor | None:
    """What known frames add past their own."""
    if fact.head is None or fact.head.value is None:
        return None
    return spread.add(fact.head.value, None).narrow(fact.axis, fact.head_frames * spread.stride, spread.overlap)


def _fact_of(step: Step, fact: Timed, spread: Spread) -> Timed:
    """The result's fact: what known frames alone add up to is its head, less what is trimmed."""
    shape, axis = result_shape(step), fact.axis
    length = step.length(shape[axis])
    if length is None:
        raise step.refuse(f"its length {shape[axis]} does not grow evenly with time", "use a fixed stride")
    made = Timed(shape, axis, spread.delay(fact.delay), length, reads=spread.reads(fact))
    frames = max(0, fact.head_frames * spread.stride - spread.trim)
    return step.on_head(
        made, fact.head, lambda head, n: spread.add(head, spread.bias).narrow(axis, spread.trim, n), frames
    )


RULES = dict.fromkeys(
    [aten.conv_transpose1d.default, aten.conv_transpose2d.input, aten.conv_transpose3d.input],
    transposed,
)
