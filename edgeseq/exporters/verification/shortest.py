"""The shortest input that the module takes and the file answers alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import nn

from edgeseq.exporters.verification.reference import Reference
from edgeseq.exporters.verification.yardstick import Yardstick
from edgeseq.runtime import load
from edgeseq.verification.drawing import Calibration, Draws
from edgeseq.verification.streams import Runs

_TOO_SHORT = (RuntimeError, ValueError, IndexError, ZeroDivisionError)


def shortest(path: Path, model: nn.Module, most: int, yardstick: Yardstick, calibration: Calibration | None) -> int:
    """Frames of the shortest input on which file and module agree, ``most`` at the most.

    A capture knows a safe bound only: it takes an axis that could be one frame long for one that never is. The file at
    ``path`` must allow any length. The search halves lengths: a model that takes one is held to take all longer ones.
    """
    runs = Runs(load(path, allow_unverified=True))
    reference, draws = Reference(model, runs.contract), Draws(runs.contract, calibration)

    def agrees(frames: int) -> bool:
        inputs = draws(frames, 2 if runs.batched else 1, seed=frames)
        try:
            exact, plain = reference.exact(inputs), reference.run(inputs)
        except _TOO_SHORT:
            return False
        lengths = [port.length(frames) for port in runs.contract.with_role("output") if port.length is not None]
        if None in lengths:
            return False
        streamed = runs.whole(inputs, [1] * frames)
        return all(_alike(streamed[name], exact[name], plain[name], yardstick) for name in streamed)

    low, high = 1, most
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if agrees(middle) else (middle + 1, high)
    return high


def _alike(
    streamed: np.ndarray,
    exact: np.ndarray,
    plain: np.ndarray,
    yardstick: Yardstick,
) -> bool:
    if streamed.size != exact.size:
        return False
    shape = streamed.shape
    return yardstick.compare(streamed, exact.reshape(shape), plain.reshape(shape)).place is None
