"""Indexing with tensors: a table at rows that the input chooses, features in another order, the last frame of all."""

from __future__ import annotations

from typing import Any

import torch

from edgeseq.exporters.facts import Static, Timed
from edgeseq.exporters.framewise import framewise
from edgeseq.exporters.rules.products import embedding
from edgeseq.exporters.rules.schema import result_shape
from edgeseq.exporters.rules.shifts import last_frame
from edgeseq.exporters.step import Step
from edgeseq.exporters.symbols import mentions

aten = torch.ops.aten


def index(step: Step, facts: Any, x: torch.Tensor, indices: list[torch.Tensor | None]) -> tuple[Any, Any]:
    """``x[..., i]`` with one tensor of indices."""
    given = [axis for axis, entry in enumerate(indices) if entry is not None]
    if len(given) != 1:
        raise step.refuse("it is indexed by several tensors at once", "index one axis at a time")
    (axis,) = given
    chosen, fact = facts[1][axis], facts[0]
    entries: Any = indices[axis]
    if isinstance(fact, Static) and axis == 0 and isinstance(chosen, Timed) and not entries.dtype.is_floating_point:
        return _rows(step, facts, x, entries, chosen)
    if not isinstance(fact, Timed) or not isinstance(chosen, Static) or not chosen.constant:
        raise step.refuse("frames are chosen by other frames", "choose among features")
    if axis == fact.axis:
        return _one_frame(step, x, fact, chosen)
    if axis > fact.axis or len(chosen.shape) == 1:
        place = fact.place.at(fact.axis + (len(chosen.shape) - 1 if axis < fact.axis else 0))
        before = (slice(None),) * axis
        return framewise(step, [fact], [x], place=place, op=lambda _, v: v[(*before, entries)])
    raise step.refuse("it is indexed in front of time", "move time to the front first")


def _rows(step: Step, facts: Any, table: torch.Tensor, entries: torch.Tensor, chosen: Timed) -> tuple[Any, Any]:
    assert step.node is not None
    if entries.dtype is torch.bool or len(facts[0].shape) != 2:
        raise step.refuse("a table is read by a mask", "use an embedding")
    return embedding(step, [facts[0], chosen], table, entries)


def _one_frame(step: Step, x: torch.Tensor, fact: Timed, chosen: Static) -> tuple[Any, Any]:
    """``x[:, [-1]]``: the last frame, its axis kept."""
    assert step.node is not None
    entries: Any = step.node.args[1]
    shape = result_shape(step)
    kept = step.captured.grids.whole(entries[fact.axis]).tolist() if step.planning else [-1]
    if kept != [-1] or any(mentions(size, step.captured.time) for size in shape):
        raise step.refuse("it picks frames by their place in all of time", "slice fixed offsets")
    return last_frame(step, x, fact, keepdim=True)


RULES = {aten.index.Tensor: index}
