"""The clock that steps are timed with, and what timing itself takes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import pairwise
from time import perf_counter_ns

import numpy as np

from edgeseq.runtime.measuring.timing import time_steps

_READINGS, _STEPS = 2_000, 2_000


@dataclass(frozen=True)
class Clock:
    """``resolution_ns``: the least difference between two readings. ``overhead_ns``: a timed step that does nothing."""

    resolution_ns: int
    overhead_ns: int

    def to_dict(self) -> dict[str, int]:
        """Plain values."""
        return asdict(self)


def measure_clock() -> Clock:
    """What ``time.perf_counter_ns``, which is monotonic, tells apart here, and what a sample holds of the timing."""
    readings = [perf_counter_ns() for _ in range(_READINGS)]
    differences = [after - before for before, after in pairwise(readings) if after > before]
    samples = np.zeros(_STEPS, np.int64)
    time_steps(lambda: (_nothing, None), samples)
    return Clock(min(differences, default=0), int(np.median(samples)))


def _nothing(given: object) -> None:
    pass
