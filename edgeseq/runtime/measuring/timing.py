"""Steps timed one by one: back to back, and one per period from the moment it was due."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter_ns
from typing import Any, TypeAlias

import numpy.typing as npt

Samples: TypeAlias = npt.NDArray[Any]
#: The next step and what it is given; everything around it is done beforehand.
Next: TypeAlias = Callable[[], tuple[Callable[[Any], object], Any]]


def time_steps(ready: Next, into: Samples, until_ns: int | None = None) -> int:
    """Fill ``into`` with the nanoseconds of steps that follow each other at once; how many there were.

    They stop early at the reading ``until_ns`` of the clock.
    """
    clock = perf_counter_ns
    found: list[int] = []
    keep = found.append  # a fourth of what writing into the array takes
    for _ in range(len(into)):
        step, given = ready()
        begin = clock()
        step(given)
        end = clock()
        keep(end - begin)
        if until_ns is not None and end >= until_ns:
            break
    into[: len(found)] = found
    return len(found)


def time_paced(ready: Next, from_due: Samples, from_call: Samples, period_ns: int, streams: int = 1) -> None:
    """Fill both with nanoseconds: of each step from the moment it was due, and from its call.

    ``streams`` steps are due at once in every period. Until they are, the process sleeps, as a real one would: spinning
    would keep the core warm. A late step does not move the next one's due time: what waits behind it is counted as late
    too, where a loop that waits for its answers would leave it out (coordinated omission).
    """
    clock = perf_counter_ns
    start = clock() + period_ns
    for index in range(len(from_due)):
        step, given = ready()
        due = start + index // streams * period_ns
        while (early_ns := due - clock()) > 0:
            time.sleep(early_ns / 1e9)
        begin = clock()
        step(given)
        end = clock()
        from_due[index] = end - due
        from_call[index] = end - begin


def wait(nanoseconds: int) -> None:
    """Keep the processor busy for so long."""
    until = perf_counter_ns() + nanoseconds
    while perf_counter_ns() < until:
        pass


@contextmanager
def busy_thread(wanted: bool) -> Iterator[None]:
    """Have a thread beside this one that computes in Python and never rests."""
    if not wanted:
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(target=_count, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _count(stop: threading.Event) -> None:
    number = 0
    while not stop.is_set():
        number += 1
