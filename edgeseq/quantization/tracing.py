"""The golden trace of a quantized file: what the float file gives, and how far from it a quantized one may be."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgeseq.contract import Contract
from edgeseq.quantization.streams import Samples
from edgeseq.runtime import golden
from edgeseq.runtime.loading import load
from edgeseq.runtime.model import Model
from edgeseq.verification.arrays import Arrays
from edgeseq.verification.sizes import accepted, short_run
from edgeseq.verification.streams import Runs, random_chunks

_SEED = 808
#: Elsewhere sums are taken in another order, and an activation may round to another integer: so many times the error
#: that was measured here.
_ROOM = 2.0


def write_trace(float_model: Model, contract: Contract, path: Path, samples: Samples) -> bool:
    """Write the trace of the sealed file at ``path`` beside it; False where even the shortest is too large."""
    model = load(path)
    frames = short_run(contract)
    while frames >= max(1, contract.min_frames):
        trace = _trace(float_model, model, contract, samples.draws(frames, 1, _SEED), frames)
        if len(golden.packed(trace)) <= golden.LARGEST:
            golden.write_trace(golden.trace_of(path), trace)
            return True
        frames = accepted(contract, frames // 2)
    return False


def _trace(float_model: Model, model: Model, contract: Contract, inputs: Arrays, frames: int) -> golden.Trace:
    chunks = random_chunks(frames, _SEED)
    wanted, got = Runs(float_model).whole(inputs, chunks), Runs(model).whole(inputs, chunks)
    outputs, allowed, every = {}, {}, {}
    for port in contract.with_role("output"):
        kept = golden.widest(wanted[port.name].shape, port.time_axis)
        if kept is not None:
            every[port.name] = kept
        outputs[port.name] = np.asarray(golden.thinned(wanted[port.name], kept), order="C")
        error = np.abs(got[port.name].astype(np.float64) - wanted[port.name].astype(np.float64))
        largest = np.nan_to_num(error, nan=0.0, posinf=0.0).max(initial=0.0)
        allowed[port.name] = np.full((1,) * wanted[port.name].ndim, _ROOM * largest, np.float64)
    return golden.Trace(contract.digest or "", tuple(chunks), inputs, outputs, allowed, every)
