"""How the system is asked to treat the loop: cores, real-time priority, memory that stays, timers that are exact."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgeseq.errors import ProviderError, UsageError

_MCL_CURRENT_AND_FUTURE = 3
_PR_SET_TIMERSLACK = 29
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
GARBAGE = ("freeze", "collect", "disable")


@dataclass(frozen=True)
class Scheduling:
    """``cores``: where the loop may run. ``fifo``: its priority, 1 to 99, under SCHED_FIFO, above ordinary programs.

    ``lock_memory``: nothing of the process is ever swapped out (mlockall). ``timer_slack_ns``: how late Linux may make
    a timer to save a wake-up; 50,000 is its own choice for a program, None leaves that. ``slice_ns``: how long Linux,
    from 6.12 on, lets the loop compute at a stretch while others wait, 100,000 to 100,000,000; with a shorter slice
    than what runs on a core has, it takes that one's place as soon as it wakes; None leaves the system's own, which is
    longer. ``garbage``: what Python's cycle collector does with what was loaded: ``freeze`` never looks at it again,
    ``collect`` leaves it as it is, ``disable`` switches the collector off. Locked memory is of the process, and so is
    garbage, which a loop in a thread leaves alone.

    What the system does not permit or does not have is an error, timer slack and slice apart.
    """

    cores: Sequence[int] | None = None
    fifo: int | None = None
    lock_memory: bool = False
    timer_slack_ns: int | None = 1
    slice_ns: int | None = 100_000
    garbage: str = "freeze"

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        cores = None if self.cores is None else list(self.cores)
        names = ("fifo", "lock_memory", "timer_slack_ns", "slice_ns", "garbage")
        return {"cores": cores, **{name: getattr(self, name) for name in names}}


def check_scheduling(scheduling: Scheduling, thread: bool) -> None:
    """UsageError for values that mean nothing, or nothing for a thread."""
    if not isinstance(scheduling, Scheduling):
        raise UsageError("no Scheduling", got=type(scheduling).__name__, wanted="Scheduling(...)")
    if scheduling.garbage not in GARBAGE:
        raise UsageError("unknown garbage", got=repr(scheduling.garbage), wanted=" or ".join(map(repr, GARBAGE)))
    if scheduling.fifo is not None and not 1 <= scheduling.fifo <= 99:
        raise UsageError("fifo must be a priority from 1 to 99", got=scheduling.fifo)
    if scheduling.slice_ns is not None and not 100_000 <= scheduling.slice_ns <= 100_000_000:
        raise UsageError("slice_ns must be from 0.1 to 100 ms", got=scheduling.slice_ns)
    if scheduling.cores is not None and not _is_cores(scheduling.cores):
        raise UsageError("cores must name at least one core", got=repr(scheduling.cores), wanted="as in (0, 1)")
    if scheduling.timer_slack_ns is not None and not scheduling.timer_slack_ns >= 1:
        raise UsageError("timer_slack_ns must be a whole number from 1", got=scheduling.timer_slack_ns)
    if thread and scheduling.lock_memory:
        raise UsageError("a thread cannot lock the memory of its program", do="call mlockall in the program itself")


def _is_cores(cores: object) -> bool:
    return isinstance(cores, Sequence) and bool(cores) and all(type(core) is int and core >= 0 for core in cores)


def apply(scheduling: Scheduling) -> None:
    """Ask the system for it, for the calling thread and those that it starts. ProviderError."""
    if scheduling.cores is not None:
        _ask("these cores", lambda: os.sched_setaffinity(0, scheduling.cores or ()), "name cores that there are")
    if scheduling.lock_memory:
        _ask("locked memory", _lock_memory, "raise its limit: ulimit -l unlimited, or CAP_IPC_LOCK")
    if scheduling.timer_slack_ns is not None and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(scheduling.timer_slack_ns), 0, 0, 0)
    if scheduling.slice_ns is not None and sys.platform == "linux":
        _ask_slice(scheduling.slice_ns)
    if scheduling.fifo is not None:
        priority = scheduling.fifo
        ask = "raise its limit: ulimit -r 99, or CAP_SYS_NICE"
        _ask("SCHED_FIFO", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority)), ask)


def _ask(what: str, call: Any, do: str) -> None:
    try:
        call()
    except (OSError, AttributeError, ValueError) as error:
        why = "this system has no such call" if isinstance(error, AttributeError) else str(error)
        raise ProviderError(f"{what} cannot be had", why=why, do=do) from None


def _ask_slice(slice_ns: int) -> None:
    """Linux's sched_setattr, which has no wrapper in the C library: an ordinary program of the same niceness.

    The fields of ``struct sched_attr``: size, policy, flags, nice, priority, runtime, deadline, period.
    """
    if (number := _SCHED_SETATTR.get(platform.machine())) is not None:
        nice = os.getpriority(os.PRIO_PROCESS, 0)
        ctypes.CDLL(None).syscall(number, 0, struct.pack("IIQiIQQQ", 48, 0, 0, nice, 0, slice_ns, 0, 0), 0)


def _lock_memory() -> None:
    if ctypes.CDLL(None, use_errno=True).mlockall(_MCL_CURRENT_AND_FUTURE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def settle(garbage: str) -> None:
    """Deal with what was loaded so far.

    A step makes no cycles, and a collection that walks through all that was loaded takes milliseconds.
    """
    if garbage == "collect":
        return
    gc.collect()
    gc.freeze()
    if garbage == "disable":
        gc.disable()
