"""Processor time of the whole machine: what other programs and the host of a virtual machine took."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass

from edgeseq.doctor.files import Files


@dataclass(frozen=True)
class Load:
    """Nanoseconds since the start of the machine, all cores together, in steps of the kernel's tick (10 ms mostly).

    ``busy_ns``: cores that worked. ``steal_ns``: cores that had work while the host of this virtual machine ran
    something else on them.
    """

    busy_ns: int
    steal_ns: int


def read_load(files: Files) -> Load | None:
    """What /proc/stat says; None where there is none."""
    first = (files.text("proc/stat") or "").partition("\n")[0].split()
    if len(first) < 9 or first[0] != "cpu":
        return None
    user, nice, system, _idle, _wait, irq, softirq, steal = map(int, first[1:9])
    tick_ns = 10**9 // os.sysconf("SC_CLK_TCK")
    return Load((user + nice + system + irq + softirq) * tick_ns, steal * tick_ns)


def own_ns() -> int:
    """Processor time of this process and of those it has waited for."""
    children = 0
    if sys.platform != "win32":
        import resource

        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        children = round((usage.ru_utime + usage.ru_stime) * 1e9)
    return time.process_time_ns() + children
