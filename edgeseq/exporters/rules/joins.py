"""Concatenation along time. Along another axis it mixes no frames."""

from __future__ import annotations

from typing import Any

import torch

from edgeseq.exporters.alignment import ready
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
    if fact.folded or fact.rowed or not all(isinstance(other, Static) for other in known):
        raise step.refuse("frames that depend on the input are put in front of time", "pad with zeros or weights")
    nodes: Any = step.node.args[0]  # type: ignore[union-attr]
    x, behind = tensors[-1], longer(step, fact, shape[fact.axis])
    for piece, given, node in reversed(list(zip(tensors, known, nodes, strict=False))):
        if given.conditioned:
            x, behind = _begun(step, x, behind, int(given.shape[fact.axis]), node)
        else:
            behind = leading(step, behind, _one_row(step, piece, given))
    return x, behind


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
