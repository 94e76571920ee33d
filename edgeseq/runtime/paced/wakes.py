"""How one side wakes the other: a byte in a pipe, sent only where the other sleeps.

The loop mostly sleeps until a time, not until a frame: then ``put`` makes no system call at all.
"""

from __future__ import annotations

import contextlib
import os
import platform
import select

#: Where processors show each other's writes in another order than they were made, a byte goes with everything: the
#: pipe's lock orders what was written before it and what is read after it.
ORDERED = platform.machine().lower() in ("x86_64", "amd64", "i386", "i686")
#: The longest that anyone sleeps without a look at the counters, in seconds.
LONGEST = 0.1


class Bell:
    """The end that is written to."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor

    def ring(self) -> None:
        """Wake who sleeps at the other end; nothing where it is gone, or was rung often without waking."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(self._descriptor, b"\0")

    def close(self) -> None:
        """Let the other end know that nobody will ring any more."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Silent(Bell):
    """An end at which nobody listens."""

    def __init__(self) -> None:
        self._descriptor = -1

    def ring(self) -> None:
        """Nothing."""


class Ear:
    """The end that is slept at."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def sleep(self, seconds: float) -> bool:
        """Sleep for so long, or until there is a ring; False where nobody is left who could.

        ``select`` counts microseconds, where ``poll`` would round up to milliseconds; it takes small descriptors only.
        """
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
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
