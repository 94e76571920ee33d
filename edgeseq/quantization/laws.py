"""The laws of a quantized file, against the float file it was made of and against itself."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgeseq.contract import Contract
from edgeseq.quantization.noise import BEYOND, Powers, compared
from edgeseq.quantization.streams import Samples
from edgeseq.runtime.model import Model
from edgeseq.verification.arrays import Arrays
from edgeseq.verification.independence import futures, loud_end, neighbours, reset, rows_in_chunks
from edgeseq.verification.report import Check, Verification
from edgeseq.verification.sizes import short_run
from edgeseq.verification.streams import Runs, random_chunks

_BATCH = 3
_CHUNKINGS = 3


class Bench:
    """What the laws of independence need: streams of the quantized file, and inputs for them."""

    def __init__(self, model: Model, samples: Samples) -> None:
        self.runs, self.samples = Runs(model), samples
        self.contract: Contract = model.contract
        self.frames, self.batch = short_run(model.contract), _BATCH if self.runs.batched else 1

    @property
    def calls(self) -> int:
        """Shortest calls that ``frames`` fill."""
        return self.frames // self.contract.chunk.multiple

    def inputs(self, seed: int, frames: int | None = None, rows: int | None = None) -> Arrays:
        """Inputs of this size."""
        return self.samples.draws(frames or self.frames, rows or self.batch, seed)


def check_quantized(float_model: Model, model: Model, samples: Samples, settings: dict[str, Any]) -> Verification:
    """Every law on the quantized ``model``."""
    bench = Bench(model, samples)
    checks = (
        nearness(bench, Runs(float_model)),
        concatenation(bench, Runs(float_model)),
        neighbours(bench),
        loud_end(bench),
        futures(bench),
        reset(bench),
    )
    whole = {"frames": bench.frames, "batch": bench.batch, "chunkings": _CHUNKINGS, **settings}
    return Verification(checks, whole, model.digest)


def nearness(bench: Bench, float_runs: Runs) -> Check:
    """No output has more noise than signal: such a file does not compute what the float one does."""
    powers = compared(float_runs, bench.runs, bench.inputs(1), [bench.contract.chunk.multiple] * bench.calls)
    found = {name: each.decibels for name, each in powers.items() if each.decibels is not None}
    name, least = min(found.items(), key=lambda item: item[1], default=("", math.inf))
    if least < 0:
        return Check("nearness", False, f"{name} has more noise than signal: {least} dB", -least)
    return Check("nearness", True, f"signal to noise of the worst output {least} dB" if name else "no difference")


def concatenation(bench: Bench, float_runs: Runs) -> Check:
    """Frames in other chunks give the same outputs, as near as rounding to few bits can tell.

    A sum in another order may round an activation to the neighbouring integer: what differs must be less than what
    quantization itself changes, in power, and what other chunks change in float32: that is all where an output has
    nothing quantized in it.
    """
    inputs = bench.inputs(1, rows=rows_in_chunks(bench))
    single = bench.runs.whole(inputs, [1] * bench.frames)
    wanted = float_runs.whole(inputs, [1] * bench.frames)
    noise = _apart(wanted, single)
    strange = next((name for name, powers in noise.items() if powers.error >= BEYOND), None)
    if strange is not None:
        return Check("concatenation", False, f"{strange} is not finite where it is in float32")
    worst = 0.0
    for trial in range(_CHUNKINGS):
        chunks = random_chunks(bench.frames, trial) if trial else [bench.frames]
        other = bench.runs.whole(inputs, chunks)
        if any(other[name].shape != single[name].shape for name in noise):
            return Check("concatenation", False, "an output has another shape in other chunks")
        usual = _apart(wanted, float_runs.whole(inputs, chunks))
        for name, difference in _apart(single, other).items():
            powers = noise[name]
            worst = max(worst, difference.largest)
            if difference.error > powers.error + usual[name].error:
                why = f"{name} in other chunks differs by up to {difference.largest:.3g}, more than from float32"
                return Check("concatenation", False, why, difference.largest, powers.largest)
    allowed = max(powers.largest for powers in noise.values())
    detail = f"{bench.frames} frames in {_CHUNKINGS} other chunkings; worst {worst:.2g}, float32 {allowed:.2g} away"
    return Check("concatenation", True, detail, worst, float(np.nan_to_num(allowed)))


def _apart(wanted: Arrays, found: Arrays) -> dict[str, Powers]:
    """The powers of every output of two runs of the same shapes."""
    powers = {name: Powers() for name in wanted}
    for name, each in powers.items():
        each.add(wanted[name], found[name])
    return powers
