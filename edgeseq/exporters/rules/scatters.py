"""Writes in place, as ``y[:, 1:] = x[:, :-1]``: captured as copies and scatters into slices."""

from __future__ import annotations

from typing import Any

import torch

from edgeseq.exporters.alignment import align, settle, until_end
from edgeseq.exporters.facts import Scalar, Static, Summary, Timed
from edgeseq.exporters.framewise import framewise
from edgeseq.exporters.rules.first_frames import written
from edgeseq.exporters.rules.padding import longer
from edgeseq.exporters.rules.schema import bound, result_shape
from edgeseq.exporters.rules.shapes import uniform_fact
from edgeseq.exporters.step import Step
from edgeseq.exporters.symbols import Size, simplest

aten = torch.ops.aten


def copy(step: Step, facts: Any, x: torch.Tensor, source: torch.Tensor, *_: Any) -> tuple[Any, Any]:
    """The source, spread over the shape of what it is written to."""
    assert step.node is not None
    fact, shape, dtype = facts[1], result_shape(step), step.node.meta["val"].dtype
    source = source.to(dtype)
    if isinstance(fact, Timed):
        place = fact.place.at(fact.axis + len(shape) - len(fact.shape))
        looked_up = Timed(shape, place.axis, 0, fact.length, fact.outer, fact.inner)
        return framewise(
            step,
            [fact],
            [source],
            place=place,
            position=fact.position,
            op=lambda sizes, v: v if fact.shape == shape else v.expand(sizes(looked_up)),
        )
    if any(size == step.captured.time or step.length(size) is not None for size in shape):
        spread = uniform_fact(step, shape)
        return source.expand(step.sizes(spread, step.frames_of(spread))), spread
    made = (
        Summary(shape, fact.delay, fact.known) if isinstance(fact, Summary) else Static(shape, False, fact.conditioned)
    )
    return source.expand(step.sizes(made, None)), made


def scatter(step: Step, facts: Any, x: torch.Tensor, source: torch.Tensor, *args: Any) -> tuple[Any, Any]:
    """slice_scatter and select_scatter: along another axis than time they mix no frames."""
    named, shape = bound(step, (x, source, *args), {}), result_shape(step)
    dim = named["dim"] % len(shape)
    if facts[1].shape == shape:
        return source, facts[1]
    if dim != _axis(facts, dim, named):
        return _over_features(step, facts, x, source, named, dim)
    if "index" in named:
        source, first, stop = source.unsqueeze(dim), named["index"], named["index"] + 1
    else:
        first, stop = named["start"] or 0, _stop(named["end"], shape[dim])
    if named.get("step", 1) != 1 or not isinstance(first, int) or first < 0 or not isinstance(facts[0], Timed):
        raise step.refuse("it writes frames counted from the end of time, or in strides", "join pieces with torch.cat")
    if isinstance(facts[1], Timed):
        return _frames_written(step, facts, x, source, first, simplest(shape[dim] - stop))
    if not isinstance(stop, int):
        raise step.refuse("it writes a number of frames that depends on the length of time", "write a fixed number")
    return _piece_written(step, facts, x, source, first, stop - first)


def _stop(end: Any, size: Size) -> Size:
    """Where a slice ends, counted from the front."""
    if isinstance(end, Scalar):
        return end.size
    if end is None or end > 2**60:
        return size
    return simplest(size + end) if end < 0 else int(end)


def _frames_written(
    step: Step, facts: Any, x: torch.Tensor, source: torch.Tensor, first: int, behind: Size
) -> tuple[Any, Any]:
    """Frames written behind the first ones, up to the last or to a few before it."""
    fact, late = facts[0], facts[1]
    ahead = longer(step, late, simplest(late.shape[late.axis] + first))
    source, ahead = settle(step, source, ahead.with_(delay=late.delay - first, uniform=False))
    if behind != 0:
        source, ahead = until_end(step, source, ahead)
    (x, fact), (source, ahead) = align(step, [settle(step, x, fact), (source, ahead)])
    value = written(step, source, ahead, x, 0, first, streamed=True) if first else source
    if behind != 0:
        real = step.over_rows(step.before_end(ahead, source.shape[ahead.axis]), ahead)
        value = torch.where(real, value, x)
    return value, fact.with_(delay=ahead.delay, uniform=False, position=None, reads=ahead.reads)


def _piece_written(
    step: Step, facts: Any, x: torch.Tensor, source: torch.Tensor, first: int, frames: int
) -> tuple[Any, Any]:
    """A fixed number of frames that are known from the start."""
    x, fact = settle(step, x, facts[0])
    piece = source.expand(step.sizes(fact, frames))
    return written(step, x, fact, piece, first, frames), fact.with_(uniform=False, position=None)


def _over_features(
    step: Step, facts: Any, x: torch.Tensor, source: torch.Tensor, named: Any, dim: int
) -> tuple[Any, Any]:
    """A write into features, frame by frame."""
    size = result_shape(step)[dim]
    if not isinstance(size, int):
        raise step.refuse(f"it writes into an axis of size {size}", "write into features, or join with torch.cat")
    places = list(range(size))
    taken = [places[named["index"]]] if "index" in named else places[named["start"] or 0 : named["end"] : named["step"]]
    order = [size + taken.index(place) if place in taken else place for place in places]
    numbers = step.constant("order", torch.tensor(order, device=step.device))
    fact = facts[0] if isinstance(facts[0], Timed) else facts[1]

    def run(_: Any, v: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        new = w.unsqueeze(dim) if "index" in named else w
        return new if len(taken) == size else torch.cat([v, new], dim).index_select(dim, numbers)

    return framewise(step, facts[:2], [x, source], place=fact.place.at(_axis(facts, dim, named)), op=run)


def _axis(facts: Any, dim: int, named: Any) -> int:
    """Where time is in the result: where it is in what is written to, or behind an axis that the source lacks."""
    if isinstance(facts[0], Timed):
        return int(facts[0].axis)
    return int(facts[1].axis + ("index" in named and dim <= facts[1].axis))


RULES = {
    **dict.fromkeys([aten.copy.default, aten.fill.Tensor], copy),
    **dict.fromkeys([aten.slice_scatter.default, aten.select_scatter.default], scatter),
}
