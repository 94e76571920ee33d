"""The streams on which a file is calibrated and its error measured: the user's own, or random ones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edgeseq.contract import Contract
from edgeseq.errors import UsageError
from edgeseq.verification.arrays import Arrays
from edgeseq.verification.drawing import Calibration, Draws
from edgeseq.verification.sizes import accepted, short_run

#: Streams that are calibrated on, and base frames of each.
STREAMS, FRAMES = 8, 256
#: Streams over which an error is measured.
FEW = 4
_SEED = 1234


class Samples:
    """Streams of a contract's inputs, always the same; ``real``: stretches of the user's own."""

    def __init__(self, contract: Contract, calibration: Calibration | None) -> None:
        """Raises UsageError where an input lacks, a sample does not fit its port, is not finite, or is too short."""
        self.contract = contract
        given = None if calibration is None else list(calibration)
        self.draws = Draws(contract, given)
        if given is not None and not self.draws.samples:
            raise UsageError("the calibration data are empty", do="give at least one sample")
        self.real = bool(self.draws.samples)
        self._check_whole()
        if self.draws.guessed:
            name = self.draws.guessed[0]
            raise UsageError(
                f"which integers {name} takes is not known",
                do=f"give real inputs: calibration=[{{{name!r}: array}}] (--data, at export --example)",
            )
        least = max(contract.min_frames, contract.receptive_field or 1)
        if self.real and 0 < self.draws.longest < least:
            raise UsageError(
                "the calibration data are shorter than what a frame of output depends on",
                got=f"{self.draws.longest} frames",
                wanted=f"at least {least}",
            )

    def _check_whole(self) -> None:
        """UsageError where samples lack an input of the file, or hold an infinity."""
        for port in self.draws.ports if self.real else ():
            samples = self.draws.samples.get(port.name)
            if samples is None:
                raise UsageError(f"the calibration data have no {port.name}", wanted="every input of the file")
            if port.dtype.startswith("float") and not all(np.isfinite(array).all() for array in samples):
                raise UsageError(f"calibration for {port.name} holds infinities", do="leave such samples out")

    @property
    def _batched(self) -> bool:
        return any("batch" in port.shape for port in self.contract.with_role("frame"))

    @property
    def one_call(self) -> int:
        """Base frames of the shortest call."""
        return self.contract.chunk.multiple

    def short(self) -> tuple[Arrays, list[int]]:
        """A few streams in lock-step that are long enough to fill the model, in the shortest calls."""
        return self.stream(0, short_run(self.contract), FEW)

    def several(self) -> Iterator[tuple[Arrays, list[int]]]:
        """The streams to calibrate on, in the shortest calls, in lock-step where the file has a batch."""
        frames = max(FRAMES * self.one_call, short_run(self.contract))
        for number in range(1 if self._batched else STREAMS):
            yield self.stream(number, frames, STREAMS)

    def stream(self, seed: int, frames: int, rows: int = 1) -> tuple[Arrays, list[int]]:
        """``rows`` of ``frames`` base frames, no longer than the model's context, and their calls.

        One row where the file has no batch.
        """
        frames = accepted(self.contract, min(frames, self.contract.max_context or frames))
        frames = max(frames // self.one_call, 1) * self.one_call
        return self.draws(frames, rows if self._batched else 1, _SEED + seed), [self.one_call] * (
            frames // self.one_call
        )
