"""How a loop waits for the next slot: asleep, and warming up in the last moments."""

from __future__ import annotations

from collections.abc import Callable

from edgeseq.runtime.paced.board import Board
from edgeseq.runtime.paced.warming import Warming


class Waiting:
    """Sleeps on a board, ``warm`` apart."""

    def __init__(self, board: Board, warm: Warming | None, clock: Callable[[], int]) -> None:
        self._board, self._warm, self._clock = board, warm, clock

    def until(self, due_ns: int, frame: bool) -> bool:
        """Return at ``due_ns``, or early where something happened; False where nobody is left to work for.

        A ``frame`` counts as something that happens until warming begins.
        """
        warm = self._warm
        early = due_ns - (0 if warm is None else warm.lead_ns) - self._clock()
        if early > 0 or warm is None:
            return self._board.sleep(early / 1e9, frame)
        warm.until(due_ns)
        return True

    def for_frame(self) -> bool:
        """Return when a frame came, or after a while; False where nobody is left to work for."""
        return self._board.sleep(None, True)
