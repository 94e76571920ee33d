"""Calls of several threads take turns; one within another is refused."""

from __future__ import annotations

import threading
from types import TracebackType

from edgeseq.errors import UsageError


class Turns:
    """A lock that knows its owner: a signal handler or a finalizer that calls again must not find half a tick."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner: int | None = None

    def __enter__(self) -> None:
        own = threading.get_ident()
        if self._owner == own:
            raise UsageError(
                "the pool is in the middle of another call of this thread",
                why="a signal handler, a finalizer or an array's own code called it again",
                do="call it when the first call has returned",
            )
        self._lock.acquire()
        self._owner = own

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._owner = None
        self._lock.release()
