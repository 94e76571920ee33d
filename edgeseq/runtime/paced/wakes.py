"""How one side wakes the other: a byte in a pipe, sent only where the other sleeps.

The loop mostly sleeps until a time, not until a frame: then ``put`` makes no system call at all.
"""

from __future__ import annotations

import contextlib
import os
import platform
import select
import threading

#: Whether processors show each other's writes in the order in which they were made. Where they do not, a byte goes with
#: everything, whether the other side seems to sleep or not, and :func:`fence` keeps slots and their counts in order.
ORDERED = platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")
#: The longest that anyone sleeps without a look at the counters, in seconds.
LONGEST = 0.1
_LOCK = threading.Lock()


def fence() -> None:
    """What was read and written before it comes first for other processors too. Nothing where they keep the order.

    A lock is let go with a store-release and taken with a load-acquire, which stay in this order on Arm (Arm ARM B2.3).
    """
    if not ORDERED:
        for _ in range(2):
            with _LOCK:
                pass


class Bell:
    """The end that is written to. Another thread may close it: its number may be another file's then."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._used = threading.RLock()

    def ring(self) -> None:
        """Wake who sleeps at the other end; nothing where it is gone, or was rung often without waking."""
        with self._used, contextlib.suppress(BlockingIOError, BrokenPipeError):
            if self._descriptor >= 0:
                os.write(self._descriptor, b"\0")

    def close(self) -> None:
        """Let the other end know that nobody will ring any more."""
        with self._used:
            descriptor, self._descriptor = self._descriptor, -1
            if descriptor >= 0:
                os.close(descriptor)


class Silent(Bell):
    """An end at which nobody listens."""

    def __init__(self) -> None:
        self._descriptor, self._used = -1, threading.RLock()

    def ring(self) -> None:
        """Nothing."""


class Ear:
    """The end that is slept at. Closing waits for who sleeps in another thread: the other end wakes it first."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self._used = threading.RLock()
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def sleep(self, seconds: float) -> bool:
        """Sleep for so long, or until there is a ring; False where nobody is left who could.

        ``select`` counts microseconds, where ``poll`` would round up to milliseconds; it takes small descriptors only.
        """
        with self._used:
            if self.descriptor < 0:
                return False
            if self.descriptor < 1024:
                heard = select.select([self.descriptor], [], [], max(0.0, seconds))[0]
            else:
                heard = [number for number, _ in self._poll.poll(max(0.0, 1e3 * seconds))]
            return not heard or self._drain()

    def _drain(self) -> bool:
        try:
            return os.read(self.descriptor, 4096) != b""
        except BlockingIOError:
            return True

    def close(self) -> None:
        """Stop listening."""
        with self._used:
            descriptor, self.descriptor = self.descriptor, -1
            if descriptor >= 0:
                os.close(descriptor)
