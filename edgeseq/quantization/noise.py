"""How far a quantized stream is from the float one: SQNR in dB, and whether the error grows with the steps."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from edgeseq.contract import Contract
from edgeseq.runtime.model import Model
from edgeseq.verification.arrays import Array, Arrays
from edgeseq.verification.streams import Runs

#: Decibels between the first steps and the last that are a trend.
_TREND = 3.0
#: The error of what is not finite: a number, since a contract has no other.
BEYOND = sys.float_info.max
#: Base frames of the long run's calls, where the file takes so many at once.
_CALL = 64


@dataclass
class Powers:
    """Sums of squares of a signal and of its error; infinities and NaN of the signal, which masks put there, apart.

    What is not finite where the signal is has an error beyond any: :data:`BEYOND`.
    """

    signal: float = 0.0
    error: float = 0.0
    largest: float = 0.0

    def add(self, wanted: Array, got: Array) -> None:
        """Count values that should be ``wanted`` and are ``got``."""
        counted, finite = np.isfinite(wanted), np.isfinite(wanted) & np.isfinite(got)
        signal, found = wanted[finite].astype(np.float64), got[finite].astype(np.float64)
        if finite.sum() < counted.sum():
            self.error = BEYOND
        self.signal += float(np.square(signal).sum())
        self.error = min(self.error + float(np.square(found - signal).sum()), BEYOND)
        self.largest = max(self.largest, float(np.abs(found - signal).max(initial=0.0)))

    @property
    def decibels(self) -> float | None:
        """SQNR: 10 log10 of signal over error; None where there is no error, or no signal."""
        return decibels(self.signal, self.error)


def decibels(signal: float, error: float) -> float | None:
    """10 log10 of a power over another, to two digits; None where one of them is nothing."""
    if signal <= 0 or error <= 0:
        return None
    return round(10 * (math.log10(signal) - math.log10(error)), 2)  # their quotient may be too small for a number


def compared(float_runs: Runs, other: Runs, inputs: Arrays, chunks: list[int]) -> dict[str, Powers]:
    """The powers of every output over streams of both files, those without a time axis after every call."""
    found: dict[str, Powers] = {}
    for wanted, got in zip(_answers(float_runs, inputs, chunks), _answers(other, inputs, chunks), strict=True):
        for name, array in wanted.items():
            found.setdefault(name, Powers()).add(array, got[name])
    return found


def _answers(runs: Runs, inputs: Arrays, chunks: list[int]) -> Iterator[Arrays]:
    """What each call gives, and the flush."""
    first = 0
    with runs.open(inputs) as stream:
        for size in chunks:
            yield runs.named(stream.step(runs.cut(inputs, first, first + size)))
            first += size
        yield runs.named(stream.flush())


def worst(powers: Mapping[str, Powers]) -> float | None:
    """The least SQNR of several outputs; None where none of them has an error."""
    return min((found.decibels for found in powers.values() if found.decibels is not None), default=None)


@dataclass(frozen=True)
class LongRun:
    """SQNR over the steps of one long stream: ``windows`` of steps ``[first, last)``, each with its decibels.

    ``verdict``: ``accumulates`` where the last window is worse than the second by a trend, ``contracts`` where it is
    better, else ``steady``.
    """

    steps: int
    windows: tuple[tuple[int, int, float | None], ...]
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "windows": [list(window) for window in self.windows]}


def long_run(float_model: Model, other: Model, inputs: Arrays, frames: int) -> LongRun:
    """Both files over ``frames`` base frames of the same input, window by window."""
    contract = float_model.contract
    ends = [*_decades(frames // contract.chunk.multiple), frames // contract.chunk.multiple]
    runs = Runs(float_model), Runs(other)
    streams = [run.open(inputs) for run in runs]
    windows = []
    for first, last in pairwise([0, *ends]):
        powers = Powers()
        for begin, end in _calls(contract, first, last):
            answers = [
                run.named(stream.step(run.cut(inputs, begin, end))) for run, stream in zip(runs, streams, strict=True)
            ]
            for name in answers[0]:
                powers.add(answers[0][name], answers[1][name])
        windows.append((first, last, powers.decibels))
    return LongRun(ends[-1], tuple(windows), _verdict([found for _, _, found in windows if found is not None]))


def _decades(steps: int) -> list[int]:
    return [10**power for power in range(1, 9) if 10**power < steps]


def _calls(contract: Contract, first: int, last: int) -> Iterator[tuple[int, int]]:
    """The calls of the steps from ``first`` to ``last``, in base frames."""
    multiple = contract.chunk.multiple
    size = max(1, min(_CALL, contract.chunk.max or _CALL) // multiple) * multiple
    for begin in range(first * multiple, last * multiple, size):
        yield begin, min(begin + size, last * multiple)


def _verdict(found: list[float]) -> str:
    if len(found) < 2:
        return "steady"
    change = found[-1] - found[min(1, len(found) - 2)]
    return "accumulates" if change < -_TREND else "contracts" if change > _TREND else "steady"
