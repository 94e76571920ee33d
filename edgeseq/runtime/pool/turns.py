"""Calls of several threads take turns; one within another is refused."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from edgeseq.errors import UsageError
from edgeseq.runtime.alone import Busy, entered_once

P = ParamSpec("P")
R = TypeVar("R")


class Shared(Busy, Protocol):
    """What several threads may call.

    ``_turns`` is a lock written in C: one in Python has a gap behind it in which an interrupt would leave it locked.
    """

    _turns: threading.RLock


S = TypeVar("S", bound=Shared)


def in_turn(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """``method``, for one thread at a time. UsageError within another call of the same thread.

    A signal handler, a finalizer or an array's own code that calls again must not find half a tick.
    """

    entered = entered_once(method, _within)

    def called(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self._turns:
            return entered(self, *args, **kwargs)

    functools.update_wrapper(called, method)
    return called


def _within() -> UsageError:
    return UsageError(
        "the pool is in the middle of another call of this thread",
        why="a signal handler, a finalizer or an array's own code called it again",
        do="call it when the first call has returned",
    )
