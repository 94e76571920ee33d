"""What to do now: a function of the clock, the slots that have passed and the frames that wait. No clock, no thread.

Slot k is due at ``start + k * period``. Frame k, in the order of ``put``, belongs to slot k; the first frame's arrival
and ``margin`` after it set the start::

    frame 0 arrives      1 arrives             3 late, and 2 before it
    |-- margin --|0      |-- margin --|1       |      2      |      3      |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

Policy = Literal["skip", "repeat", "catch-up"]
POLICIES = ("skip", "repeat", "catch-up")
#: Late frames in a row after which the pace is moved to where the frames are.
PATIENCE = 4


class Todo(NamedTuple):
    """One decision.

    ``wait`` until the clock says ``due``, or a frame comes where it is None or ``frame``; ``step`` so many ``chunks``,
    the first of ``slot``, together; ``fill`` as many slots with missing frames, ``empty`` leaves them; ``late`` counts
    slots whose frames are still to be stepped; ``drop`` throws away frames whose slots were empty, ``stale`` frames
    whose slots went by while the loop was elsewhere.
    """

    what: Literal["wait", "step", "fill", "empty", "late", "drop", "stale"]
    chunks: int = 0
    slot: int = 0
    due: int | None = None
    frame: bool = False


class Pace:
    """The slots of one stream, ``slot`` the next one. All times are readings of one clock in nanoseconds."""

    def __init__(self, period: int, policy: Policy, margin: int, most: int, patience: int = PATIENCE) -> None:
        """``most``: frames of one step. ``patience``: late frames in a row after which the start is moved."""
        self.period, self.policy, self.margin, self.most, self.patience = period, policy, margin, most, patience
        self.start: int | None = None
        self.slot = 0
        self.moved = 0
        self._owed = 0  # frames whose slots were empty, to be thrown away when they come
        self._counted = 0  # slots before this one were counted as late
        self._row = 0  # late frames in a row

    def due(self, slot: int) -> int:
        """When a slot is due."""
        return (self.start or 0) + slot * self.period

    def look(self, now: int, waiting: int, arrived: Callable[[int], int]) -> Todo:
        """What to do at ``now``, when ``waiting`` frames wait; ``arrived(i)`` tells when the i-th of them came.

        Slots and debts are counted as if it were done.
        """
        if self.start is None:
            if not waiting:
                return Todo("wait", slot=self.slot, frame=True)
            self.start = arrived(0) + self.margin - self.slot * self.period
        if self._owed and waiting and (dropped := self._drop_late(waiting, arrived)):
            return Todo("drop", dropped, self.slot)
        due = self.due(self.slot)
        if now < due:
            return Todo("wait", slot=self.slot, due=due)
        passed = (now - due) // self.period + 1
        if not waiting:
            return self._nothing(passed)
        if self.policy == "skip":
            return self._newest(passed, waiting)
        return self._together(min(passed, waiting, self.most), arrived)

    def _drop_late(self, waiting: int, arrived: Callable[[int], int]) -> int:
        """How many late frames to throw away; the last of them is kept where the pace is moved to it."""
        count = min(self._owed, waiting)
        self._row += 1
        if self._row < self.patience:
            self._owed -= count
            return count
        self._move(arrived(count - 1))
        self._owed = 0
        return count - 1

    def _move(self, arrival: int) -> None:
        """Have the frame that came at ``arrival`` be on time in the next slot."""
        self.start = arrival + self.margin - self.slot * self.period
        self.moved += 1
        self._row = 0

    def _nothing(self, passed: int) -> Todo:
        """So many slots have passed and no frame is there."""
        if self.policy == "catch-up":
            first, self._counted = max(self._counted, self.slot), max(self._counted, self.slot + passed)
            if self._counted > first:
                return Todo("late", self._counted - first, first)
            return Todo("wait", slot=self.slot, due=self.due(self.slot + passed), frame=True)
        if self.policy == "skip":
            self._owed += passed
            return self._pass("empty", passed)
        count = min(passed, self.most)  # after a long sleep of the machine one step of all of them would never end
        self._owed += count
        return self._pass("fill", count)

    def _newest(self, passed: int, waiting: int) -> Todo:
        """The frame of the latest slot that has passed; those before it are stale."""
        if passed > 1:
            return self._pass("stale", min(passed - 1, waiting))
        self._row = 0
        return self._pass("step", 1)

    def _together(self, count: int, arrived: Callable[[int], int]) -> Todo:
        """``count`` frames as one chunk."""
        todo = self._pass("step", count)
        if self.slot > self._counted:
            self._row = 0
        else:
            self._row += 1
            if self._row >= self.patience:
                self._move(arrived(count - 1) + self.period)
        return todo

    def _pass(self, what: Literal["step", "fill", "empty", "stale"], count: int) -> Todo:
        todo = Todo(what, count, self.slot, self.due(self.slot))
        self.slot += count
        return todo

    def was_late(self, slot: int) -> bool:
        """Whether the frame of a slot that is stepped was counted as late."""
        return slot < self._counted
