"""What tells that a processor got slower meanwhile: the kernel's counts, its clock, and a fixed piece of work."""

from __future__ import annotations

from time import perf_counter_ns

from edgeseq.doctor.files import Files

_CPU = "sys/devices/system/cpu"
#: Rounds of the work, the least of which counts: a clock that fell in a pause has time to rise again.
ROUNDS = 30
_NUMBERS = range(20_000)


def throttle_events(files: Files) -> int | None:
    """How often a core or its package was slowed down for heat since the start; None where nothing counts it."""
    folders = (files.root / _CPU).glob("cpu[0-9]*/thermal_throttle")
    names = ("core_throttle_count", "package_throttle_count")
    counts = [files.number(f"{_CPU}/{path.parent.name}/{path.name}/{name}") for path in folders for name in names]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def frequency_khz(files: Files) -> int | None:
    """The clock of the core that this process ran on last, in kHz; None where the machine does not say."""
    # proc(5): field 39 of stat is the core; the name in field 2 may hold spaces and brackets.
    fields = (files.text("proc/self/stat") or "").rpartition(")")[2].split()
    if len(fields) < 37 or not fields[36].isdigit():
        return None
    return files.number(f"{_CPU}/cpu{fields[36]}/cpufreq/scaling_cur_freq")


def work_ns() -> int:
    """Nanoseconds of a fixed piece of work that needs the processor only: a sum of small numbers in Python."""
    samples = []
    for _ in range(ROUNDS):
        begin = perf_counter_ns()
        sum(_NUMBERS)
        samples.append(perf_counter_ns() - begin)
    return min(samples)
