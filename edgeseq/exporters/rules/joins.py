"""Concatenation along time. Along another axis it mixes no frames."""

from __future__ import annotations

from typing import Any

import torch

from edgeseq.exporters.facts import Static, Timed
from edgeseq.exporters.rules.padding import leading, longer
from edgeseq.exporters.rules.schema import result_shape
from edgeseq.exporters.rules.shapes import concatenate
from edgeseq.exporters.step import Step

aten = torch.ops.aten


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
    return tensors[-1], leading(step, longer(step, fact, shape[fact.axis]), torch.cat(pieces, fact.axis))


def _one_row(step: Step, piece: torch.Tensor, fact: Static) -> torch.Tensor:
    batch = step.batch_axis(fact.shape)
    return piece if batch is None else piece.narrow(batch, 0, 1)


RULES = dict.fromkeys([aten.cat.default, aten.concat.default], join)
