"""What the machine did during a part of a run, read before and after it: nothing happens in between."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from edgeseq.doctor.files import Files
from edgeseq.runtime.measuring.counters import Counters, close_counters, open_counters
from edgeseq.runtime.measuring.energy import Meter, read_meters, spent
from edgeseq.runtime.measuring.load import Load, own_ns, read_load
from edgeseq.runtime.measuring.throttling import frequency_khz, throttle_events, work_ns

#: The fixed work takes this much longer afterwards where the processor got slower.
SLOWER = 1.1


@dataclass(frozen=True)
class Readings:
    """One part of a run. What the machine does not tell is None, and ``reasons`` says why, by name of the field.

    ``cpu_ns`` is processor time of all threads of the process, ``user_ns`` and ``system_ns`` its parts. ``cycles`` and
    ``instructions`` are those of the process, the kernel's share left out unless ``counts_kernel``. ``energy_uj`` holds
    microjoules by meter, of everything that ran on that package. ``steal_ns`` and ``others_ns`` are of all cores: what
    the host took from this virtual machine, and what other programs in it used; both move in ticks of mostly 10 ms.
    ``throttle_events`` counts slowing down for heat. ``work_ns_before`` and ``work_ns_after`` are the times of one
    fixed piece of work, the clock that of the core that it ran on.
    """

    wall_ns: int
    cpu_ns: int
    user_ns: int | None = None
    system_ns: int | None = None
    voluntary_switches: int | None = None
    involuntary_switches: int | None = None
    minor_faults: int | None = None
    major_faults: int | None = None
    cycles: int | None = None
    instructions: int | None = None
    counts_kernel: bool | None = None
    energy_uj: Mapping[str, int] | None = None
    steal_ns: int | None = None
    others_ns: int | None = None
    throttle_events: int | None = None
    frequency_khz_before: int | None = None
    frequency_khz_after: int | None = None
    work_ns_before: int = 0
    work_ns_after: int = 0
    reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def work_ratio(self) -> float:
        """How many times as long the fixed work took afterwards."""
        return self.work_ns_after / self.work_ns_before

    @property
    def others_cores(self) -> float | None:
        """The number of cores that other programs kept busy, on average."""
        return None if self.others_ns is None else self.others_ns / self.wall_ns

    @property
    def steal_cores(self) -> float | None:
        """The number of cores that the host of this virtual machine took while they had work, on average."""
        return None if self.steal_ns is None else self.steal_ns / self.wall_ns

    @property
    def throttled(self) -> str | None:
        """Why the processor seems to have got slower meanwhile; None where nothing hints at it."""
        if self.throttle_events:
            return f"the processor was slowed down for heat {self.throttle_events} times"
        if self.work_ratio > SLOWER:
            return f"a fixed piece of work took {self.work_ratio:.2f} times as long afterwards"
        return None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON has them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Readings:
        """What :meth:`to_dict` gave; fields that this version does not know are left out."""
        return cls(**{item.name: value[item.name] for item in fields(cls) if item.name in value})


@dataclass(frozen=True)
class Start:
    """What was read at the beginning."""

    files: Files
    work_ns: int
    frequency_khz: int | None
    throttle_events: int | None
    meters: tuple[dict[str, Meter], str | None]
    load: Load | None
    own_ns: int
    usage: dict[str, int]
    cpu_ns: int
    wall_ns: int
    counters: Counters


def begin(files: Files | None = None) -> Start:
    """Read everything once and start the counters; takes about 10 ms. ``files`` are the machine's own unless given.

    Each ``begin`` needs its :func:`end`, which closes the counters.
    """
    files = files or Files()
    return Start(
        files=files,
        work_ns=work_ns(),
        frequency_khz=frequency_khz(files),
        throttle_events=throttle_events(files),
        meters=read_meters(files),
        load=read_load(files),
        own_ns=own_ns(),
        usage=_usage(),
        cpu_ns=time.process_time_ns(),
        wall_ns=time.perf_counter_ns(),
        counters=open_counters(),
    )


def end(start: Start) -> Readings:
    """What happened since ``start``."""
    counted, no_counters = close_counters(start.counters)
    wall_ns, cpu_ns = time.perf_counter_ns() - start.wall_ns, time.process_time_ns() - start.cpu_ns
    usage = {name: value - start.usage[name] for name, value in _usage().items()}
    load, own = read_load(start.files), own_ns() - start.own_ns
    meters, no_energy = read_meters(start.files)
    events = _since(start.throttle_events, throttle_events(start.files))
    after_ns = work_ns()
    seen: dict[str, Any] = {
        **usage,
        **counted,
        "counts_kernel": start.counters.kernel if counted else None,
        "energy_uj": spent(start.meters[0], meters) or None,
        **_shares(start.load, load, own),
        "throttle_events": events,
        "frequency_khz_before": start.frequency_khz,
        "frequency_khz_after": frequency_khz(start.files),
    }
    reasons = _reasons(seen, no_counters, start.meters[1] or no_energy)
    return Readings(wall_ns, cpu_ns, **seen, work_ns_before=start.work_ns, work_ns_after=after_ns, reasons=reasons)


def _usage() -> dict[str, int]:
    """Counts of the kernel for this process; empty where there is no ``getrusage``."""
    if sys.platform == "win32":
        return {}
    import resource

    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "user_ns": round(usage.ru_utime * 1e9),
        "system_ns": round(usage.ru_stime * 1e9),
        "voluntary_switches": usage.ru_nvcsw,
        "involuntary_switches": usage.ru_nivcsw,
        "minor_faults": usage.ru_minflt,
        "major_faults": usage.ru_majflt,
    }


def _since(first: int | None, last: int | None) -> int | None:
    return None if first is None or last is None else last - first


def _shares(first: Load | None, last: Load | None, own: int) -> dict[str, int]:
    """Time of the host and of other programs; the ticks of a short part may add up to less than this process took."""
    if first is None or last is None:
        return {}
    return {
        "steal_ns": last.steal_ns - first.steal_ns,
        "others_ns": max(0, last.busy_ns - first.busy_ns - own),
    }


def _reasons(seen: Mapping[str, Any], no_counters: str | None, no_energy: str | None) -> dict[str, str]:
    """Why each field that was not read is None."""
    usual = {
        "user_ns": f"{sys.platform} has no getrusage",
        "cycles": no_counters or "the processor does not count it",
        "energy_uj": no_energy or "the meter cannot be followed",
        "steal_ns": "the system has no /proc/stat",
        "throttle_events": "the machine counts no throttling for heat (Linux thermal_throttle)",
        "frequency_khz_before": "the machine does not tell its clock (Linux cpufreq)",
    }
    alike = {
        **dict.fromkeys(("system_ns", "voluntary_switches", "involuntary_switches"), "user_ns"),
        **dict.fromkeys(("minor_faults", "major_faults"), "user_ns"),
        **dict.fromkeys(("instructions", "counts_kernel"), "cycles"),
        "others_ns": "steal_ns",
        "frequency_khz_after": "frequency_khz_before",
    }
    names = [*usual, *alike]
    return {name: usual[alike.get(name, name)] for name in names if seen.get(name) is None}
