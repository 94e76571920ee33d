"""Interpolation along time by a whole ratio: nearest repeats frames, linear and cubic look at their neighbours.

Linear and cubic interpolation hold the first and the last frame at the ends: that is replicate padding, behind which
every frame is interpolated alike. Windows of ``2 * margin + 1`` frames give the frames of their middle one::

    x  x  x  x       margin 1 (linear), 2 (cubic); look-ahead: as many frames
       yyy           ratio frames for the middle one
"""

from __future__ import annotations

import math
from typing import Any

import torch

from edgeseq.exporters.copies import windows_over
from edgeseq.exporters.facts import Scalar, Timed
from edgeseq.exporters.framewise import framewise
from edgeseq.exporters.rules.convolution import Windows, windowed
from edgeseq.exporters.rules.padding import reflected
from edgeseq.exporters.rules.schema import bound, result_shape, target
from edgeseq.exporters.step import Step

aten = torch.ops.aten
_MARGINS = {"linear": 1, "cubic": 2}


def interpolate(step: Step, facts: Any, x: torch.Tensor, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """``torch.nn.functional.interpolate`` over time, other axes or both."""
    fact, shape = facts[0], result_shape(step)
    if fact.folded or fact.rowed:
        raise step.refuse("it interpolates time folded with another axis", "give time an axis of its own")
    named = bound(step, (x, *args), kwargs)
    margin = next((frames for word, frames in _MARGINS.items() if word in target(step).name()), 0)
    if shape[fact.axis] == fact.shape[fact.axis]:
        return _every_frame(step, x, fact, named)
    length = step.length(shape[fact.axis])
    if length is None:
        raise step.refuse(f"it stretches time to {shape[fact.axis]} frames", "give it a whole scale_factor")
    ratio = length.ratio / fact.ratio
    if ratio < 1 and margin == 0 and (1 / ratio).denominator == 1 and named["scale_factors"]:
        return _every_other(step, x, fact, named, int(1 / ratio))
    _refuse_uneven(step, fact, length, named, nearest=margin == 0)
    return _between(step, x, fact, named, margin) if margin else _every_frame(step, x, fact, named)


def _refuse_uneven(step: Step, fact: Timed, length: Any, named: dict[str, Any], nearest: bool) -> None:
    """Refuse a ratio that is not whole: frames would then come out at places that depend on the length.

    With a size in place of a factor, nearest reads frame ``floor(j * T / size)``. For ``size = ratio * T - 1`` that is
    ``floor(j / ratio)`` as well, because ``j / size < 1``; for shorter sizes it is not.
    """
    if named.get("align_corners"):
        raise step.refuse("align_corners makes every weight depend on the length of time", "set align_corners=False")
    ratio = length.ratio / fact.ratio
    # Far from zero, where no length is cut off at none.
    period = math.lcm(length.period, fact.length.period)
    spans = [(fact.length(4096 * period + rest), length(4096 * period + rest)) for rest in range(period)]
    missing = {ratio * before - after for before, after in spans if before is not None and after is not None}
    plain = nearest and "exact" not in target(step).name()
    even = ratio.denominator == 1 and missing <= ({0, 1} if plain else {0})
    if not even or (step.planning and plain and _rounds_down(int(ratio))):
        raise step.refuse(
            "it stretches time by a ratio that is not a whole number for every length",
            "give it a whole scale_factor, and pad time to a multiple where it was shortened before",
        )


def _rounds_down(ratio: int) -> bool:
    """True for ratios, 41 for one, by which torch's float32 arithmetic reads a frame too early."""
    frames = torch.arange(1024, dtype=torch.float32)
    found = torch.nn.functional.interpolate(frames[None, None], scale_factor=ratio)[0, 0]
    return not torch.equal(found, frames.repeat_interleave(ratio))


def _resized(step: Step, named: dict[str, Any], x: torch.Tensor, sizes: list[Any]) -> torch.Tensor:
    """The op on some frames, whose result has these sizes."""
    given = {word: named[word] for word in ("align_corners", "scale_factors") if word in named}
    by_size = named["output_size"] is not None
    spatial = len(named["output_size"] if by_size else named["scale_factors"])
    found: torch.Tensor = target(step)(x, sizes[-spatial:] if by_size else None, **given)
    return found


def _every_frame(step: Step, x: torch.Tensor, fact: Timed, named: dict[str, Any]) -> tuple[Any, Any]:
    """Interpolation that mixes no frames: of other axes, or by repeating every frame."""
    shape = result_shape(step)
    length = step.length(shape[fact.axis])
    assert length is not None
    looked_up = Timed(shape, fact.axis, 0, length)
    return framewise(
        step, [fact], [x], place=fact.place, op=lambda sizes, v: _resized(step, named, v, sizes(looked_up))
    )


def _every_other(step: Step, x: torch.Tensor, fact: Timed, named: dict[str, Any], stride: int) -> tuple[Any, Any]:
    """Nearest with a factor of ``1 / stride`` keeps the first frame of every ``stride``."""
    between = list(named["scale_factors"])
    place = fact.axis - len(fact.shape) + len(between)
    between[place] = 1.0

    def run(frames: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = target(step)(aten.slice.Tensor(frames, fact.axis, 0, None, stride), None, between)
        return found

    return windowed(step, x, fact, Windows(1, 1, stride, 0, 0), run)


def _between(step: Step, x: torch.Tensor, fact: Timed, named: dict[str, Any], margin: int) -> tuple[Any, Any]:
    """Linear and cubic interpolation: a window per frame."""
    shape, axis = result_shape(step), fact.axis
    length = step.length(shape[axis])
    assert length is not None
    ratio = int(length.ratio / fact.ratio)
    x, fact = reflected(step, x, fact, margin, margin, "replicate")
    joined, late = windows_over(step, x, fact, 2 * margin, 1)
    sizes = step.sizes(Timed(shape, axis, 0, length), joined.shape[axis] * ratio)
    found = aten.slice.Tensor(_resized(step, named, joined, sizes), axis, margin * ratio, -margin * ratio)
    reads = fact.reads and (fact.reads[0], fact.reads[1] + 2 * margin / fact.ratio)
    return found, Timed(shape, axis, late * ratio, length, reads=reads)


def repeat_interleave(
    step: Step, facts: Any, x: torch.Tensor, repeats: Any, dim: Any = None, **_: Any
) -> tuple[Any, Any]:
    """Repeat along one axis; along time it repeats every frame."""
    fact, shape = facts[0], result_shape(step)
    if dim is None or isinstance(repeats, Scalar):
        raise step.refuse("it repeats all frames as one row", "name the axis to repeat along")
    dim %= len(fact.shape)
    if dim == fact.axis and fact.folded:
        raise step.refuse("it repeats time folded with another axis", "give time an axis of its own")
    length = step.length(shape[dim]) if dim == fact.axis else fact.length
    assert length is not None
    looked_up = Timed(shape, fact.axis, 0, length, fact.outer, fact.inner)

    def run(sizes: Any, v: torch.Tensor) -> torch.Tensor:
        wide = v.unsqueeze(dim + 1)
        return wide.expand(*[-1] * (dim + 1), repeats, *[-1] * (v.dim() - dim - 1)).reshape(sizes(looked_up))

    return framewise(step, facts[:1], [x], place=fact.place, op=run)


RULES = {
    **dict.fromkeys(
        [
            aten.upsample_nearest1d.vec,
            aten.upsample_nearest2d.vec,
            aten.upsample_nearest3d.vec,
            aten._upsample_nearest_exact1d.vec,
            aten._upsample_nearest_exact2d.vec,
            aten._upsample_nearest_exact3d.vec,
            aten.upsample_linear1d.vec,
            aten.upsample_bilinear2d.vec,
            aten.upsample_trilinear3d.vec,
            aten.upsample_bicubic2d.vec,
        ],
        interpolate,
    ),
    aten.repeat_interleave.self_int: repeat_interleave,
}
