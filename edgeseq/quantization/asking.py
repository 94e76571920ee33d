"""What is asked of ``quantize``, checked before it takes any time."""

from __future__ import annotations

import math
from pathlib import Path

from edgeseq.errors import UsageError
from edgeseq.files import check_folder, check_model_target
from edgeseq.quantization.configs import KINDS
from edgeseq.sealing import prologue_of
from edgeseq.verification.task import Task


def check_asked(config: object, min_sqnr: float | None = None, task: Task | None = None) -> None:
    """UsageError for what is no config, and for limits that nothing could be held against."""
    if not isinstance(config, tuple(KINDS.values())):
        names = ", ".join(kind.__name__ for kind in KINDS.values())
        raise UsageError("unknown config", got=repr(config), wanted=f"one of {names}, as in Int8Dynamic()")
    for name, limit in (("min_sqnr", min_sqnr), ("max_loss", None if task is None else task.max_loss)):
        if limit is not None and not (isinstance(limit, (int, float)) and math.isfinite(limit) and limit >= 0):
            raise UsageError(f"{name} is out of range", got=repr(limit), wanted="a number from 0")


def check_target(source: Path, target: Path) -> None:
    """UsageError where the quantized file cannot be written to ``target``, or would replace what it is made of."""
    check_model_target(target)
    if target.resolve() in (source.resolve(), prologue_of(source).resolve()):
        raise UsageError("the quantized file would replace the float one", where=str(source), do="name another file")
    check_folder(target.parent)
