"""How far a file that approximates its module is from it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from edgeseq.exporters.modes.definition import itself
from edgeseq.exporters.verification.bench import unfolded
from edgeseq.exporters.verification.reference import Reference
from edgeseq.runtime.loading import load
from edgeseq.verification.drawing import Calibration, Draws
from edgeseq.verification.sizes import accepted, short_run
from edgeseq.verification.streams import Runs, random_chunks

_SEED = 909
#: Spans of what a frame of output depends on, or of the delay, that the comparison is long: its ends count little.
_SPANS = 4

Array = np.ndarray[Any, Any]


def measured_error(
    path: Path, model: nn.Module, calibration: Calibration | None, most: int | None = None
) -> dict[str, Any]:
    """What the file at ``path`` gives, held against the module on whole sequences of at most ``most`` frames.

    ``{"frames", "rows", "input", "outputs": {name: {"max_abs", "rms", "snr_db"}}}``. ``snr_db``: the power of the
    module's output over that of the error, in dB; None where there is no error, or no signal.
    """
    runs = Runs(load(path, allow_unverified=True))
    contract = runs.contract
    draws = Draws(contract, calibration)
    wanted = max(_SPANS * max(contract.receptive_field or 0, contract.delay), short_run(contract), draws.longest)
    frames = accepted(contract, min(wanted, most or wanted))
    rows = 3 if runs.batched else 1
    inputs = draws(frames, rows, _SEED)
    whole = Reference(model, contract, itself).exact(inputs)
    streamed = runs.whole(inputs, random_chunks(frames, _SEED))
    return {
        "frames": frames,
        "rows": rows,
        "input": "calibration" if draws.samples else "random",
        "outputs": {name: _distance(streamed[name], whole[name]) for name in streamed},
    }


def _distance(streamed: Array, whole: Array) -> dict[str, float | None]:
    wanted = unfolded(streamed, whole)
    assert wanted is not None, "the laws hold the shapes against the module first"
    finite = np.isfinite(streamed) & np.isfinite(wanted)  # what a model masks with infinities has no error to speak of
    signals = streamed[finite].astype(np.float64), wanted[finite].astype(np.float64)
    error = signals[0] - signals[1]
    signal, noise = (float(np.mean(np.square(part))) if part.size else 0.0 for part in (signals[1], error))
    decibels = 10 * math.log10(signal / noise) if signal > 0 and noise > 0 else None
    return {
        "max_abs": float(np.max(np.abs(error), initial=0.0)),
        "rms": math.sqrt(noise),
        "snr_db": None if decibels is None else round(decibels, 2),
    }
