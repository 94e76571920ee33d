"""How much of the machine other programs used during a measurement."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path


class Others:
    """Counts from its making; Linux only."""

    def __init__(self) -> None:
        self._begin = time.monotonic(), _busy_s() - _own_s()

    def cores(self) -> float:
        """The number of cores that others kept busy, on average, since the making."""
        begin_s, others_s = self._begin
        return max(0.0, (_busy_s() - _own_s() - others_s) / (time.monotonic() - begin_s))


def _busy_s() -> float:
    """Seconds that all cores together were busy since the start of the machine, those taken by its host included."""
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, _counters()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def _counters() -> list[str]:
    return Path("/proc/stat").read_text().splitlines()[0].split()


def _own_s() -> float:
    """Seconds that this process and those it has waited for were busy."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)
