"""What a refused op's result would be if the op streamed, as far as its captured shape tells: reading can go on."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy
import torch

from edgeseq.exporters.facts import Scalar, Static, Summary, Timed
from edgeseq.exporters.framewise import flatten
from edgeseq.exporters.step import Step
from edgeseq.exporters.symbols import Shape, mentions, quotient


@dataclass(frozen=True)
class Unknown:
    """Nothing can be said: it comes from an op that was refused, and its shape does not tell where time is."""

    def __str__(self) -> str:
        return "unknown"


def is_unknown(fact: Any) -> bool:
    """True where some part of a fact, or of a list of facts, is unknown."""
    return any(isinstance(leaf, Unknown) for leaf in flatten(fact))


def supposed(step: Step, node: torch.fx.Node, operands: list[Any]) -> tuple[Any, Any]:
    """Zeros and a fact in place of a node's result; ``operands`` are the facts of what it takes."""
    output = node.meta.get("val")
    leaves = flatten(operands)
    if isinstance(output, (tuple, list)):
        pairs = [_one(step, item, leaves) for item in output]
        return [value for value, _ in pairs], [fact for _, fact in pairs]
    return _one(step, output, leaves)


def _one(step: Step, output: Any, operands: list[Any]) -> tuple[Any, Any]:
    if isinstance(output, (int, torch.SymInt)):
        number = Scalar(step.captured.size(output))
        return (number, number) if _is_known(step, (number.size,)) else (None, Unknown())
    if not isinstance(output, torch.Tensor):
        return None, Unknown()
    shape = step.captured.shape(output)
    fact = _fact(step, shape, operands) if _is_known(step, shape) else Unknown()
    if isinstance(fact, Unknown):
        return None, fact
    sizes = step.sizes(fact, step.frames_of(fact) if isinstance(fact, Timed) else None)
    return torch.zeros(sizes, dtype=output.dtype, device=step.device), fact


def _is_known(step: Step, shape: Shape) -> bool:
    """True where every size is made of sizes of the inputs, and none of the data."""
    symbols = {symbol for size in shape if isinstance(size, sympy.Expr) for symbol in size.free_symbols}
    return symbols <= {step.captured.time, step.captured.batch, *step.captured.axes}


def _fact(step: Step, shape: Shape, operands: list[Any]) -> Timed | Summary | Static | Unknown:
    axes = [axis for axis, size in enumerate(shape) if mentions(size, step.captured.time)]
    timed = [fact for fact in operands if isinstance(fact, Timed)]
    if any(isinstance(fact, Unknown) for fact in operands) and not axes:
        return Unknown()
    if not axes and (timed or any(isinstance(fact, Summary) for fact in operands)):
        late = [fact.late_frames if isinstance(fact, Timed) else getattr(fact, "delay", 0) for fact in operands]
        return Summary(shape, max(late, default=0))
    return _timed(step, shape, axes[0], timed) if len(axes) == 1 else Unknown()


def _timed(step: Step, shape: Shape, axis: int, operands: list[Timed]) -> Timed | Unknown:
    """Frames along ``axis``, folded as those of an operand are, as late as the latest of the operands."""
    folds = [(fact.outer, fact.inner) for fact in operands if fact.shape[fact.axis] == shape[axis]] or [(1, 1)]
    outer, inner = folds[0]
    frames = shape[axis] if folds[0] == (1, 1) else quotient(shape[axis], outer * inner)
    length = None if frames is None or isinstance(frames, Fraction) else step.captured.length(frames)
    if length is None:
        return Unknown()
    delay = max((int(fact.delay * length.ratio / fact.ratio) for fact in operands), default=0)
    return Timed(shape, axis, max(delay, 0), length, outer, inner, reads=None)
