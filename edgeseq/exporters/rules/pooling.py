"""Pooling: along time as a convolution without weights; over other axes it mixes no frames."""

from __future__ import annotations

from typing import Any

import torch

from edgeseq.exporters.copies import keeps_copies
from edgeseq.exporters.facts import Timed
from edgeseq.exporters.rules.convolution import Windows, per_axis, windowed
from edgeseq.exporters.rules.features import same_axes
from edgeseq.exporters.rules.reductions import over_time
from edgeseq.exporters.rules.schema import bound, result_is_used, target
from edgeseq.exporters.rules.summaries import maximum, mean
from edgeseq.exporters.step import Step

aten = torch.ops.aten
_AXES = {"1d": 1, "2d": 2, "3d": 3}


@keeps_copies
def pool(step: Step, facts: Any, x: torch.Tensor, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Max and average pooling with a window per axis."""
    fact, op = facts[0], target(step)
    name = op.name().split("::")[1]
    spatial = next(count for word, count in _AXES.items() if word in name)
    place = fact.axis - (len(fact.shape) - spatial)
    if place < 0:
        return same_axes(step, facts, x, *args, **kwargs)
    named = bound(step, (x, *args), kwargs)
    _refuse_odd_pooling(step, fact, name, named)
    kernels = per_axis(named["kernel_size"], spatial)
    strides = per_axis(named["stride"] or named["kernel_size"], spatial)
    pads = per_axis(named["padding"], spatial)
    dilations = per_axis(named.get("dilation", 1), spatial)
    windows = Windows(kernels[place], dilations[place], strides[place], pads[place], pads[place])
    pads[place] = 0
    fill = -float("inf") if "max" in name else 0.0

    def run(frames: torch.Tensor) -> torch.Tensor:
        if "max" in name:
            function = (torch.max_pool2d, torch.max_pool3d)[spatial - 2]
            return function(frames, kernels, strides, pads, dilations)
        average = (torch.avg_pool1d, torch._C._nn.avg_pool2d, torch._C._nn.avg_pool3d)[spatial - 1]
        return average(frames, kernels, strides, pads)

    return windowed(step, x, fact, windows, run, fill)


def _refuse_odd_pooling(step: Step, fact: Timed, name: str, named: dict[str, Any]) -> None:
    if fact.folded or fact.rowed:
        raise step.refuse("it pools over time folded with another axis", "give time an axis of its own")
    if named.get("ceil_mode"):
        raise step.refuse("ceil_mode makes a last window that is cut short", "pool without ceil_mode")
    if named.get("divisor_override"):
        raise step.refuse("it divides by another number than the window's size", "scale the result instead")
    uneven = not named.get("count_include_pad", True)
    if "avg" in name and any(per_axis(named["padding"], 1)) and uneven:
        raise step.refuse("its first and last windows are averaged over fewer frames", "pool with count_include_pad")


def adaptive(step: Step, facts: Any, x: torch.Tensor, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Adaptive pooling over other axes, or to a single value over all time."""
    fact, op = facts[0], target(step)
    name = op.name().split("::")[1]
    spatial = next(count for word, count in _AXES.items() if word in name)
    place = fact.axis - (len(fact.shape) - spatial)
    if place < 0:
        return same_axes(step, facts, x, *args, **kwargs)
    sizes = bound(step, (x, *args), kwargs)["output_size"]
    if any(size != 1 for size in sizes):
        raise step.refuse("it divides all time into a fixed number of parts", "pool with a fixed window")
    axes = list(range(len(fact.shape) - spatial, len(fact.shape)))
    if "max" in name and result_is_used(step, 1):
        raise step.refuse("it tells the places of its maxima in all of time", "use amax, or argmax along time alone")
    return over_time(step, x, fact, axes, maximum if "max" in name else mean, {"keepdim": True})


RULES = {
    **dict.fromkeys(
        [
            aten.max_pool2d.default,
            aten.max_pool3d.default,
            aten.avg_pool1d.default,
            aten.avg_pool2d.default,
            aten.avg_pool3d.default,
        ],
        pool,
    ),
    **dict.fromkeys(
        [
            aten.adaptive_avg_pool1d.default,
            aten.adaptive_avg_pool2d.default,
            aten.adaptive_max_pool1d.default,
            aten.adaptive_max_pool2d.default,
        ],
        adaptive,
    ),
}
