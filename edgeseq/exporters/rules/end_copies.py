"""Padding by copies of the first and the last frame, as it is written by hand with slices and repetitions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from edgeseq.exporters.step import Step
from edgeseq.exporters.symbols import Shape

aten = torch.ops.aten


def repeats_ends(step: Step, x: Any, before: Sequence[Any], after: Sequence[Any], axis: int) -> bool:
    """True where the nodes before ``x`` repeat its first frame, and those after it its last."""
    firsts, lasts = ({_frame(step, node, x, axis) for node in nodes} for nodes in (before, after))
    return firsts <= {0} and lasts <= {-1}


def _frame(step: Step, node: Any, x: Any, axis: int) -> int | None:
    """The number of the frame of ``x`` that a node repeats along ``axis``; None where it is something else."""
    if node.target is aten.repeat.default and any(count != 1 for at, count in enumerate(node.args[1]) if at != axis):
        return None
    piece = node.args[0] if node.target in (aten.repeat.default, aten.expand.default) else node
    if piece.target is not aten.slice.Tensor or _untouched(step, piece.args[0]) is not _untouched(step, x):
        return None
    (_, dim, start, *end), rank = piece.args, piece.meta["val"].dim()
    if rank != node.meta["val"].dim() or dim % rank != axis:
        return None
    last = start == -1 and (not end or end[0] > 2**60)
    return 0 if start == 0 and end[:1] == [1] else -1 if last else None


def _untouched(step: Step, node: Any) -> Any:
    """The node behind slices that keep everything."""
    while node.target is aten.slice.Tensor and _shape(step, node.args[0]) == _shape(step, node):
        node = node.args[0]
    return node


def _shape(step: Step, node: Any) -> Shape:
    return step.captured.shape(node.meta["val"])
