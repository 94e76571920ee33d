"""What this machine can do at best, as the median of several fresh processes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from edgeseq.lab.floor import kernels
from edgeseq.runtime.measuring.processes import call_fresh

#: Working sets are rounded to a quarter of an octave, so that files of about a size share one measurement.
_PER_OCTAVE = 4
#: Working sets below fit the first cache of any processor, those above no cache.
_SETS = (2**14, 2**28)


@dataclass(frozen=True)
class Speeds:
    """Bytes read per second by working set, multiply-adds per second by kind of number, and nanoseconds of a call."""

    read_bytes_per_s: Mapping[int, float]
    multiply_adds_per_s: Mapping[str, float]
    call_ns: float

    def reading(self, size: int) -> float:
        """Bytes per second where ``size`` bytes are read again and again."""
        return self.read_bytes_per_s[rounded(size)]

    def multiplying(self, integers: bool) -> float:
        """Multiply-adds per second: with ``integers`` the faster of the two kinds, for some products are of either."""
        peaks = self.multiply_adds_per_s
        return max(peaks.values()) if integers else peaks["float32"]


def rounded(size: int) -> int:
    """The working set that stands for this one."""
    steps = round(_PER_OCTAVE * math.log2(min(max(size, _SETS[0]), _SETS[1])))
    return round(2 ** (steps / _PER_OCTAVE))


def measure_speeds(sizes: Iterable[int], integers: bool, threads: int = 1, processes: int = 3) -> Speeds:
    """The speeds for working sets of these sizes; whole numbers only where they matter."""
    wanted = {
        "sizes": sorted({rounded(size) for size in sizes}),
        "kinds": ["float32", "int8"] if integers else ["float32"],
        "threads": threads,
    }
    found = [call_fresh(__name__, "in_this_process", wanted, threads) for _ in range(processes)]
    return Speeds(
        {int(size): _median(each["read"][size] for each in found) for size in found[0]["read"]},
        {kind: _median(each["multiply"][kind] for each in found) for kind in found[0]["multiply"]},
        _median(each["call_ns"] for each in found),
    )


def in_this_process(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What one process finds."""
    threads = wanted["threads"]
    return {
        "call_ns": kernels.call_ns(),
        "multiply": {kind: kernels.multiply_adds_per_s(kind, threads) for kind in wanted["kinds"]},
        "read": {str(size): kernels.read_bytes_per_s(size, threads) for size in wanted["sizes"]},
    }


def _median(values: Iterable[float]) -> float:
    return float(statistics.median(values))
