"""Files of a trained model: its own, and those with weights in 8 and in 4 bits."""

from __future__ import annotations

from pathlib import Path

from torch import nn

import edgeseq
from benchmarks.study.catalogue import Question, kind_of
from edgeseq.exporters import Exact, Lookahead, Window

#: Rounding that a file is allowed on top of the yardstick.
ATOL = 1e-4


def exported(question: Question, kind: str, model: nn.Module, path: Path, golden: bool = True) -> Path:
    """Write a model's file in its kind's mode; it appears only when it streams what the module computes."""
    edgeseq.export(model, question.inputs, path, mode_of(question, kind), atol=ATOL, golden=golden)
    return path


def mode_of(question: Question, kind: str) -> Exact | Lookahead | Window:
    """How a kind's models of this task are exported."""
    modes: dict[str, Exact | Lookahead | Window] = {
        "exact": Exact(),
        "lookahead": Lookahead(question.look, chunk=question.chunk),
        "window": Window(question.window, hop=question.hop),
    }
    return modes[kind_of(kind).mode]
