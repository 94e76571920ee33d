"""index_add along time: overlapping windows added up at places that are a pattern of the frame numbers alone.

``windows.index_add`` is how TasNet's overlap_and_add and, as it is captured, ``F.fold`` put windows together: window
``g`` adds its ``size`` frames at ``g * stride`` onwards. What a call adds past its own frames is the state::

    call        y y y y y y | s s s       y: stride frames for each window
    next call               | y y y y     s: overlap, whole strides that later windows add to

Windows past the end of the operand would add to the tail, so they are set to zero where it is kept.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, NamedTuple

import torch

from edgeseq.exporters.alignment import past_end, ready
from edgeseq.exporters.facts import Timed
from edgeseq.exporters.framewise import framewise
from edgeseq.exporters.rules.features import same_axes
from edgeseq.exporters.rules.schema import result_shape
from edgeseq.exporters.rules.tails import tail_is_cut
from edgeseq.exporters.step import Step
from edgeseq.exporters.symbols import simplest

aten = torch.ops.aten
#: Periods of the lengths at which the places are looked at: many windows, and a length that no period divides.
_PERIODS = (64, 257)
_ZEROS = frozenset([aten.new_zeros.default, aten.zeros.default, aten.zeros_like.default])


class Overlap(NamedTuple):
    """Windows of ``size`` frames, one every ``stride``."""

    size: int
    stride: int

    @property
    def blocks(self) -> int:
        """Strides that a window reaches over."""
        return -(-self.size // self.stride)

    def reads(self, fact: Timed) -> tuple[Fraction, Fraction] | None:
        """The base frames that a frame of the result depends on: frame ``k`` of a window adds to ``g * stride + k``."""
        if fact.reads is None:
            return None
        places = [k / fact.ratio - k * self.size / (self.stride * fact.ratio) for k in (0, self.size - 1)]
        return fact.reads[0] + min(places), fact.reads[1] + max(places)


def over_features(step: Step, facts: Any, x: torch.Tensor, dim: int, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """index_add along an axis that is not time mixes no frames."""
    fact = next(fact for fact in facts if isinstance(fact, Timed))
    if dim % len(result_shape(step)) == fact.axis:
        raise _at_odd_places(step)
    return same_axes(step, facts, x, dim, *args, **kwargs)


def overlap_add(
    step: Step, facts: Any, x: torch.Tensor, dim: int, index: Any, source: torch.Tensor, *, alpha: float = 1
) -> tuple[Any, Any]:
    """index_add along time, at places that no input enters."""
    shape, fact = result_shape(step), facts[3]
    overlap = _overlap(step)
    if not isinstance(fact, Timed) or fact.axis != dim % len(shape) or fact.folded or fact.rowed:
        raise step.refuse("it adds windows that hold no frames, or time folded with another axis", "keep time whole")
    if (step.multiple * fact.ratio / overlap.size).denominator > 1:
        raise step.refuse("its windows are longer than a call", "cut them with x.unfold and add them up as they are")
    if not tail_is_cut(step, step.length(_covered(fact, overlap))):
        source, fact = past_end(step, source, fact, 0.0)
    source, fact, start = ready(step, source, fact)
    added = _added(step, source * alpha if alpha != 1 else source, fact, overlap, start)
    made = _fact_of(step, fact, overlap)
    if _is_zero(step):
        return added, made
    return framewise(step, [facts[0], made], [x, added], place=made.place, op=lambda _, old, new: old + new)


def _covered(fact: Timed, overlap: Overlap) -> Any:
    """Frames of the result that belong to real windows alone."""
    return simplest(fact.shape[fact.axis] * overlap.stride / overlap.size)


def _overlap(step: Step) -> Overlap:
    """The pattern of the places, the same at two lengths; found while planning."""
    assert step.node is not None
    places, patterns = step.node.args[2], step.captured.grids.patterns
    if places not in patterns:
        found = {_pattern(step, places, periods) for periods in _PERIODS}
        patterns[places] = found.pop() if len(found) == 1 else None
    pattern: Overlap | None = patterns[places]
    if pattern is None:
        raise _at_odd_places(step)
    return pattern


def _at_odd_places(step: Step) -> Exception:
    return step.refuse(
        "it adds frames at places of all time that are not those of windows of one size, one after the other",
        "add overlapping frames up with torch.nn.functional.fold or a transposed convolution",
    )


def _pattern(step: Step, node: Any, periods: int) -> Overlap | None:
    """The windows whose frames go to these places: ``places[g * size + k] == g * stride + k``."""
    grids, length = step.captured.grids, step.length(step.captured.size(node.meta["val"].shape[0]))
    if length is None:
        return None
    missing = max(0, -min(offset for offset in length.at if offset is not None))
    periods += -(-missing // length.frames)
    frames = length.period * periods + (periods % length.period) * grids.multiple
    places = grids.whole(node, frames if grids.most is None else min(frames, grids.most))
    size = _run(places)
    if len(places) < 3 * size or len(places) % size:
        return None
    stride = int(places[size] - places[0])
    windows = torch.arange(len(places) // size)[:, None] * stride + torch.arange(size)
    return Overlap(size, stride) if stride > 0 and torch.equal(windows.flatten(), places.to(windows.dtype)) else None


def _run(places: torch.Tensor) -> int:
    """How many places follow one another from the first on; one where they never start anew."""
    jumps = (places[1:] - places[:-1] != 1).nonzero()
    return int(jumps[0]) + 1 if len(jumps) else 1


def _is_zero(step: Step) -> bool:
    assert step.node is not None
    return getattr(step.node.args[0], "target", None) in _ZEROS


def _added(step: Step, source: torch.Tensor, fact: Timed, overlap: Overlap, start: int) -> torch.Tensor:
    """The sum of windows; a call keeps those strides to which the next one adds."""
    axis, blocks = fact.axis, overlap.blocks
    before, after = list(source.shape[:axis]), list(source.shape[axis + 1 :])
    count = step.frames_at(fact.ratio / overlap.size)
    windows = source.reshape([*before, count, overlap.size, *after])
    missing = blocks * overlap.stride - overlap.size
    if missing:
        windows = torch.nn.functional.pad(windows, [*[0, 0] * len(after), 0, missing])
    if blocks > 1:
        pieces = windows.reshape([*before, count, blocks, overlap.stride, *after]).movedim(axis + 1, 0)
        windows = _carried(step, _summed(pieces, axis, count, blocks), fact, overlap, start)
    return windows.reshape([*before, count * overlap.stride, *after])


def _summed(pieces: torch.Tensor, axis: int, count: Any, blocks: int) -> torch.Tensor:
    """The sum over ``b`` of ``pieces[b]`` set back by ``b`` windows: ``count + blocks - 1`` windows.

    Rows of ``count + blocks`` laid end to end and cut into rows one shorter each come one later than the last.
    """
    rows = pieces.movedim(axis + 1, 1)
    padded = torch.nn.functional.pad(rows, [0, 0] * (rows.dim() - 2) + [0, blocks])
    flat: torch.Tensor = aten.slice.Tensor(padded.flatten(0, 1), 0, 0, -blocks)
    set_back = flat.reshape([blocks, count + blocks - 1, *flat.shape[1:]])
    return set_back.sum(0).movedim(0, axis)


def _carried(step: Step, added: torch.Tensor, fact: Timed, overlap: Overlap, start: int) -> torch.Tensor:
    """What all windows so far add to this call's strides."""
    axis, kept, shape = fact.axis, overlap.blocks - 1, fact.shape
    state = step.state(
        "overlap",
        kind="conv",
        shape=(*shape[:axis], kept, overlap.stride, *shape[axis + 1 :]),
        dtype=added.dtype,
        start=start,
    )
    first, rest = added.narrow(axis, 0, kept), aten.slice.Tensor(added, axis, kept)
    summed = torch.cat([first + state.value, rest], axis)
    # Counted from the end, so that no size of the call is computed in the graph.
    state.next = aten.slice.Tensor(summed, axis, -kept)
    now: torch.Tensor = aten.slice.Tensor(summed, axis, 0, -kept)
    return now


def _fact_of(step: Step, fact: Timed, overlap: Overlap) -> Timed:
    shape = result_shape(step)
    length, group = step.length(shape[fact.axis]), Fraction(overlap.stride, overlap.size)
    if length is None or length.ratio != fact.ratio * group:
        raise step.refuse("the frames that windows are added to are not as many as the windows give", "use a fixed hop")
    return Timed(shape, fact.axis, int(fact.delay * group), length, reads=overlap.reads(fact))


RULES = {aten.index_add.default: over_features}
PAIRS = {aten.index_add.default: overlap_add}
