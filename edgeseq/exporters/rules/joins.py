"""Concatenation along time: pieces with a fixed number of frames around one that grows.

Known frames in front are a lead. Frames that depend on the input are written over the places in front of what grows;
behind, over those that follow its last one. Copies of the first and the last frame are a padding by copies.
"""

from __future__ import annotations

from math import ceil
from typing import Any

import torch

from edgeseq.exporters.alignment import delay, ready, settle, until_end
from edgeseq.exporters.facts import Static, Summary, Timed
from edgeseq.exporters.rules.end_copies import repeats_ends
from edgeseq.exporters.rules.first_frames import after_known, needs_all_time, with_known, written
from edgeseq.exporters.rules.padding import leading, longer, reflected
from edgeseq.exporters.rules.schema import result_shape
from edgeseq.exporters.rules.shapes import concatenate
from edgeseq.exporters.step import Step

aten = torch.ops.aten


def join(step: Step, facts: Any, tensors: list[torch.Tensor], dim: int = 0) -> tuple[Any, Any]:
    """cat: along another axis it mixes no frames."""
    nodes: Any = step.node.args[0]  # type: ignore[union-attr]
    pieces = [piece for piece in zip(tensors, facts[0], nodes, strict=True) if not _is_empty(piece[1])]
    growing = [place for place, (_, fact, _) in enumerate(pieces) if isinstance(fact, Timed)]
    axis = dim % len(result_shape(step))
    if len(growing) != 1 or pieces[growing[0]][1].axis != axis:
        if any(isinstance(fact, Summary) and fact.known is None for _, fact, _ in pieces):
            raise needs_all_time(step)
        facts, args = with_known(step, facts, [tensors])
        return concatenate(step, facts, args[0], dim)
    x, fact, _ = pieces[growing[0]]
    if len(pieces) == 1:
        return x, fact
    if fact.folded or fact.rowed:
        raise step.refuse("it joins time folded with another axis", "give time an axis of its own")
    before, after = pieces[: growing[0]], pieces[growing[0] + 1 :]
    if repeats_ends(step, pieces[growing[0]][2], [n for _, _, n in before], [n for _, _, n in after], axis):
        left, right = (sum(int(piece.shape[axis]) for _, piece, _ in side) for side in (before, after))
        return reflected(step, x, fact, left, right, "replicate")
    if any(isinstance(piece, Summary) and piece.known is None for _, piece, _ in before):
        raise needs_all_time(step)
    x, fact = _followed(step, x, fact, after)
    return _preceded(step, x, fact, before)


def _is_empty(fact: Any) -> bool:
    """torch.cat takes ``torch.tensor([])`` for nothing."""
    return isinstance(fact, Static) and fact.shape == (0,)


def _followed(step: Step, x: torch.Tensor, fact: Timed, pieces: list[Any]) -> tuple[torch.Tensor, Timed]:
    """Frames behind the last one: known from the start or early, or a summary that is final by then."""
    if not pieces:
        return x, fact
    axis = fact.axis
    for _, behind, _ in pieces:
        if isinstance(behind, Summary) and behind.known is not None:
            x, fact = after_known(step, x, fact, behind.known)
    x, fact = until_end(step, *settle(step, x, fact))
    final = max((behind.delay for _, behind, _ in pieces if isinstance(behind, Summary)), default=0)
    x, fact = delay(step, x, fact, _missing(fact, final))
    frames = sum(int(behind.shape[axis]) for _, behind, _ in pieces)
    real = step.over_rows(step.before_end(fact, x.shape[axis]), fact)
    return torch.where(real, x, _behind(step, x, fact, pieces, frames)), longer(step, fact, fact.shape[axis] + frames)


def _missing(fact: Timed, final: int) -> int:
    """Frames more that a value must wait so that none follows its last one before ``final`` base frames have passed."""
    offsets = [(rest, offset) for rest, offset in enumerate(fact.length.at) if offset is not None]
    return max(0, *(ceil((final + rest) * fact.ratio) - offset - fact.delay for rest, offset in offsets))


def _behind(step: Step, x: torch.Tensor, fact: Timed, pieces: list[Any], frames: int) -> torch.Tensor:
    """What stands at every place of this call if it lies behind the last frame."""
    axis = fact.axis
    if frames == 1:
        only: torch.Tensor = pieces[0][0]
        return only
    whole = torch.cat([piece.expand(step.sizes(fact, piece.shape[axis])) for piece, _, _ in pieces], axis)
    places = torch.arange(x.shape[axis], device=step.device) - step.real_frames(fact)[:, None]
    return whole.gather(axis, step.over_rows(places.clamp(0, frames - 1), fact).expand(x.shape))


def _preceded(step: Step, x: torch.Tensor, fact: Timed, pieces: list[Any]) -> tuple[torch.Tensor, Timed]:
    """Frames in front of the first one."""
    if not pieces:
        return x, fact
    frames, axis = sum(int(before.shape[fact.axis]) for _, before, _ in pieces), fact.axis
    grown = longer(step, fact, fact.shape[axis] + frames)
    if any(isinstance(before, Summary) for _, before, _ in pieces):
        return _written_before(step, x, fact, grown, [piece for piece, _, _ in pieces], [f for _, f, _ in pieces])
    for piece, before, node in reversed(pieces):
        if before.conditioned:
            x, grown = _begun(step, x, grown, int(before.shape[axis]), node)
        else:
            grown = leading(step, grown, _one_row(step, piece, before))
    return x, grown


def _written_before(
    step: Step, x: torch.Tensor, fact: Timed, grown: Timed, pieces: list[torch.Tensor], facts: list[Any]
) -> tuple[torch.Tensor, Timed]:
    """Frames that depend on the first frames of the input."""
    axis, frames = fact.axis, sum(int(before.shape[fact.axis]) for before in facts)
    known = max(before.known or 1 for before in facts if isinstance(before, Summary))
    x, late = after_known(step, x, fact.with_(uniform=False), known, frames)
    made = grown.with_(delay=late.delay - frames, head=None, reads=late.shifted(-frames))
    whole = torch.cat([piece.expand(step.sizes(made, piece.shape[axis])) for piece in pieces], axis)
    return written(step, x, made, whole, 0, frames), made


def _begun(step: Step, x: torch.Tensor, fact: Timed, frames: int, node: torch.fx.Node) -> tuple[torch.Tensor, Timed]:
    """The value behind ``frames`` frames that the conditioning gives: a delay line that holds them at first."""
    x, fact, start = ready(step, x, fact)
    shape = (*fact.shape[: fact.axis], frames, *fact.shape[fact.axis + 1 :])
    line = step.state("first", kind="delay", shape=shape, dtype=x.dtype, start=start, initial=step.initial_of(node))
    joined, now = torch.cat([line.value, x], fact.axis), x.shape[fact.axis]
    line.next = joined.narrow(fact.axis, now, frames)
    return joined.narrow(fact.axis, 0, now), fact.with_(position=None, reads=fact.shifted(-frames))


def _one_row(step: Step, piece: torch.Tensor, fact: Static) -> torch.Tensor:
    batch = step.batch_axis(fact.shape)
    return piece if batch is None else piece.narrow(batch, 0, 1)


RULES = dict.fromkeys([aten.cat.default, aten.concat.default], join)
