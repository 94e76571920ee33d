"""What is said of a loop over time that cannot be rolled up, and the three lines that make it a step."""

from __future__ import annotations

import inspect
from typing import Any

from torch import nn

from edgeseq.errors import CaptureError
from edgeseq.exporters.capture_errors import FixedTime, user_line
from edgeseq.exporters.loops.irregular import Irregular, TooFewTurns
from edgeseq.exporters.origin import source_line


def not_a_loop(model: nn.Module, error: FixedTime, found: Irregular | None) -> CaptureError:
    """The error of a model that fixes the number of frames and is not made of regular turns."""
    if isinstance(found, TooFewTurns):
        return error
    if found is None:
        return CaptureError(error.what, where=error.where, why=error.why, do=f"{error.do}; {_step(model)}")
    return CaptureError(
        "cannot stream a Python loop over time whose turns differ",
        where=error.where or (source_line(found.node) if found.node is not None else None),
        why=found.why,
        do=f"let the body use t only to take frame t and to store the result; {_step(model)}",
    )


def ended_by_data(error: Exception) -> CaptureError:
    """The error of a loop in which a branch, an early end or a Python number depends on what it computes."""
    return CaptureError(
        "cannot stream a Python loop over time in which the data decides what is run",
        where=user_line(error),
        why="a branch, an early end or a Python number in it depends on values, which are not known at export",
        do="use torch.where in place of the branch; let the caller look at the outputs and end the stream",
    )


def _step(model: nn.Module) -> str:
    """The three lines, with the user's own name for the frames."""
    names: Any = list(inspect.signature(model.forward).parameters) or ["x"]
    x = names[0]
    return (
        "or make it a step:\n"
        f"    def forward(self, {x}, h):  # one frame, and what is carried\n"
        "        ...\n"
        "        return y, h\n"
        f"    export(model, {{{x!r}: ..., 'h': ...}}, path, states={{'h': 'output.1'}})"
    )
