"""How finely time can be read."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from edgeseq.doctor.files import Files

#: Readings of the clock among which the smallest step is looked for.
READINGS = 20_000


@dataclass(frozen=True)
class Clock:
    """The clock that measurements use: what it claims to resolve, the smallest step seen, what drives it."""

    implementation: str
    claimed_ns: float
    smallest_step_ns: int | None
    source: str | None


def clock(files: Files, read_ns: Callable[[], int] = time.perf_counter_ns) -> Clock:
    """The clock behind ``time.perf_counter_ns``; the smallest step is None where it never moved."""
    info = time.get_clock_info("perf_counter")
    return Clock(
        implementation=info.implementation,
        claimed_ns=info.resolution * 1e9,
        smallest_step_ns=smallest_step(read_ns),
        source=files.text("sys/devices/system/clocksource/clocksource0/current_clocksource"),
    )


def smallest_step(read_ns: Callable[[], int]) -> int | None:
    """The smallest difference above zero between two readings that follow each other."""
    readings = [read_ns() for _ in range(READINGS)]
    steps = [later - earlier for earlier, later in pairwise(readings) if later > earlier]
    return min(steps, default=None)
