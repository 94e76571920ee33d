"""Tensor.unfold: overlapping windows, along time as frames of a slower stream, along another axis of every frame."""

from __future__ import annotations

from typing import Any

import torch

from edgeseq.exporters.framewise import framewise
from edgeseq.exporters.rules.convolution import Windows, windowed
from edgeseq.exporters.rules.schema import result_shape
from edgeseq.exporters.step import Step

aten = torch.ops.aten


def unfold(step: Step, facts: Any, x: torch.Tensor, dimension: int, size: int, stride: int) -> tuple[Any, Any]:
    """Windows of ``size`` every ``stride`` along ``dimension``, each along a new last axis."""
    fact = facts[0]
    axis = dimension % len(fact.shape)

    def run(frames: torch.Tensor) -> torch.Tensor:
        return windows(frames, axis, size, stride)

    if axis != fact.axis:
        return framewise(
            step, facts[:1], [x], place=fact.place, shape=result_shape(step), op=lambda _, value: run(value)
        )
    if fact.folded or fact.rowed:
        raise step.refuse("it cuts windows out of time folded with another axis", "give time an axis of its own")
    return windowed(step, x, fact, Windows(size, 1, stride, 0, 0), run)


def windows(x: torch.Tensor, axis: int, size: int, stride: int) -> torch.Tensor:
    """``x.unfold``, by one gather: its own form in ONNX takes a node per window."""
    count = (x.shape[axis] - size) // stride + 1
    first = torch.arange(count, device=x.device) * stride
    places = first[:, None] + torch.arange(size, device=x.device)
    gathered = x.index_select(axis, places.flatten())
    return gathered.reshape(*x.shape[:axis], count, size, *x.shape[axis + 1 :]).movedim(axis + 1, -1)


RULES = {aten.unfold.default: unfold}
