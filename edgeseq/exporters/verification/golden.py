"""Making the golden trace of a file: what the module gives for a small input, to be replayed without the module."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from edgeseq.contract import Contract, Port, resolve_shape
from edgeseq.exporters.verification.reference import Reference
from edgeseq.exporters.verification.yardstick import SINGLE, Yardstick
from edgeseq.runtime import golden
from edgeseq.runtime.loading import describe
from edgeseq.verification.arrays import Arrays
from edgeseq.verification.drawing import Calibration, Draws
from edgeseq.verification.sizes import accepted, short_run
from edgeseq.verification.streams import random_chunks

_SEED = 808

Array = np.ndarray[Any, Any]


def write_trace(
    path: Path,
    model: nn.Module,
    target: Path,
    *,
    atol: float | None = None,
    rtol: float | None = None,
    calibration: Calibration | None = None,
    amplifying: bool = False,
) -> bool:
    """Write the golden trace of the sealed file at ``path`` to ``target``; False where even the shortest is too large.

    The trace has as many frames as the laws are checked on, fewer where that would be more than ``golden.LARGEST``
    bytes or where the model has amplified rounding too far.
    """
    described = describe(path)
    yardstick = Yardstick(atol or 0.0, rtol or 0.0, cut=amplifying)
    maker = _Maker(described.contract, described.file.digest, model, calibration, yardstick)
    frames = short_run(described.contract)
    while frames >= max(1, described.contract.min_frames):
        trace = maker.trace(frames)
        if trace is not None and len(golden.packed(trace)) <= golden.LARGEST:
            golden.write_trace(target, trace)
            return True
        frames = accepted(described.contract, frames // 2)
    return False


class _Maker:
    """Traces of any length for one file."""

    def __init__(
        self, contract: Contract, digest: str, model: nn.Module, calibration: Calibration | None, yardstick: Yardstick
    ) -> None:
        self.contract, self.digest, self.yardstick = contract, digest, yardstick
        self.reference, self.draws = Reference(model, contract), Draws(contract, calibration)

    def trace(self, frames: int) -> golden.Trace | None:
        """The trace of one stream of ``frames`` base frames; None where the model has amplified rounding by then."""
        inputs = self.draws(frames, 1, _SEED)
        exact, plain = self.reference.exact(inputs), self.reference.run(inputs)
        outputs: Arrays = {}
        allowed: Arrays = {}
        every = {}
        for port in self.contract.with_role("output"):
            whole = _in_shape(exact[port.name], port, frames)
            near = plain[port.name].reshape(whole.shape)
            if self.yardstick.compare(whole, whole, near, port.time_axis).compared is not None:
                return None
            kept = golden.widest(whole.shape, port.time_axis)
            if kept is not None:
                every[port.name] = kept
            outputs[port.name] = np.asarray(golden.thinned(whole, kept).astype(port.dtype), order="C")
            yardstick = replace(self.yardstick, units=SINGLE if port.time_axis is None else 1.0)
            allowed[port.name] = yardstick.by_step(whole, near, port.time_axis)
        chunks = tuple(random_chunks(frames, _SEED))
        return golden.Trace(self.digest, chunks, inputs, outputs, allowed, every, self.yardstick.rtol)


def _in_shape(whole: Array, port: Port, frames: int) -> Array:
    """A whole-sequence output of one row as the stream gives it, its time in an axis of its own."""
    if whole.ndim == len(port.shape):
        return whole
    time = port.length(frames) if port.length is not None else None
    return whole.reshape(resolve_shape(port.shape, {"batch": 1, "time": time or 0}))
