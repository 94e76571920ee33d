"""Cycles and instructions of this process, by Linux' ``perf_event_open``; "not available: why" everywhere else."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from edgeseq.doctor.files import Files

#: Number of the system call by architecture (the kernel's syscall tables).
_CALLS = {"x86_64": 298, "aarch64": 241, "riscv64": 241, "armv7l": 364, "i686": 336, "ppc64le": 319, "s390x": 331}
_HARDWARE = 0  # PERF_TYPE_HARDWARE
_EVENTS = {"cycles": 0, "instructions": 1}  # PERF_COUNT_HW_CPU_CYCLES, PERF_COUNT_HW_INSTRUCTIONS
_INHERIT, _NO_KERNEL, _NO_HYPERVISOR = 1 << 1, 1 << 5, 1 << 6
_TIMES = 0b11  # PERF_FORMAT_TOTAL_TIME_ENABLED and _RUNNING: a counter that had to share is scaled up by them
_SIZE = 64  # PERF_ATTR_SIZE_VER0, which every kernel takes


@dataclass
class Counters:
    """Open counters, one file descriptor per event and thread; ``kernel``: whether time in the kernel counts too.

    ``why`` says why there are none.
    """

    files: dict[str, list[int]] = field(default_factory=dict)
    kernel: bool = False
    why: str | None = None


def open_counters() -> Counters:
    """Counters that run from now on, for every thread of this process and those that it starts; never an error."""
    call = _CALLS.get(platform.machine())
    if sys.platform != "linux" or call is None:
        return Counters(why=f"hardware counters are read on Linux only, this is {sys.platform} {platform.machine()}")
    # A user may count the kernel's share only where perf_event_paranoid is below 2: without it is better than nothing.
    refusal = 0
    for kernel in (True, False):
        files, refusal = _open_all(call, kernel)
        if not refusal:
            return Counters(files, kernel)
    return Counters(why=refused(refusal))


def refused(number: int) -> str:
    """An error number of ``perf_event_open`` in words; what stands for it is in its man page."""
    text = f"perf_event_open: {os.strerror(number)}"
    if number in (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP):
        return f"{text}: the processor, or the virtual machine around it, shows no counters"
    if number in (errno.EACCES, errno.EPERM):
        level = Files().text("proc/sys/kernel/perf_event_paranoid")
        return f"{text}: it needs more rights" + (f", kernel.perf_event_paranoid is {level}" if level else "")
    return text


def close_counters(counters: Counters) -> tuple[dict[str, int], str | None]:
    """What each event came to since the opening, or nothing and why; the counters are closed."""
    read = {event: [os.read(file, 24) for file in files] for event, files in counters.files.items()}
    _close(counters.files)
    totals = {event: add_up(values) for event, values in read.items()}
    counted = {event: total for event, total in totals.items() if total is not None}
    if totals and not counted:
        return {}, "the counters were never given to this process: other programs hold them"
    return counted, counters.why


def add_up(values: Sequence[bytes]) -> int | None:
    """The sum of counters as the kernel hands them out: value, ns enabled, ns running; None where none ever ran."""
    total, ran = 0, False
    for value, enabled, running in (struct.unpack("=QQQ", each) for each in values):
        if running:
            total, ran = total + value * enabled // running, True
    return total if ran else None


def _open_all(call: int, kernel: bool) -> tuple[dict[str, list[int]], int]:
    """File descriptors by event, or none and the error number of the first refusal, which is never 0."""
    opened: dict[str, list[int]] = {event: [] for event in _EVENTS}
    for thread in _threads():
        for event, number in _EVENTS.items():
            file, refusal = _open(call, number, thread, kernel)
            if refusal:
                _close(opened)
                return {}, refusal
            opened[event].append(file)
    return opened, 0


def _open(call: int, event: int, thread: int, kernel: bool) -> tuple[int, int]:
    flags = _INHERIT | _NO_HYPERVISOR | (0 if kernel else _NO_KERNEL)
    # struct perf_event_attr: type, size, config, sample_period, sample_type, read_format, flags; the rest is zero.
    attributes = struct.pack("=IIQQQQQ", _HARDWARE, _SIZE, event, 0, 0, _TIMES, flags).ljust(_SIZE, b"\0")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    whole = ctypes.c_long
    file = libc.syscall(whole(call), attributes, whole(thread), whole(-1), whole(-1), whole(0))
    return (-1, ctypes.get_errno()) if file < 0 else (file, 0)


def _threads() -> list[int]:
    """Threads that are there already: inheriting reaches only those that they start from now on."""
    try:
        return [int(name) for name in os.listdir("/proc/self/task")]
    except OSError:
        return [0]


def _close(files: dict[str, list[int]]) -> None:
    for file in (file for each in files.values() for file in each):
        os.close(file)
