"""The counters at the head of the shared memory: one 64-bit number each, which one side writes and both read."""

from __future__ import annotations

from enum import IntEnum, auto


class Place(IntEnum):
    """Where each number stands, in units of eight bytes."""

    # Written by the loop.
    STATE = 0
    TAKEN = auto()  # frames that left the input queue
    ANSWERED = auto()  # answers that were written
    SLEEPING = auto()  # 1 while only a frame wakes the loop before its time
    SLOTS = auto()  # slots that have passed
    LATE_FRAME = auto()
    LONG_STEP = auto()
    LATE_WAKE = auto()
    DROPPED_LATE = auto()
    DROPPED_STALE = auto()
    FILLED = auto()
    MOST_AT_ONCE = auto()  # frames of the largest step
    MOVED = auto()  # times that the pace was moved
    BEGUN_NS = auto()
    NOW_NS = auto()
    CPU_NS = auto()
    # Written by the caller.
    PUT = auto()  # frames that entered the input queue
    READ = auto()  # answers that were read, or lost before they were
    LOST = auto()  # answers that were written over before they were read
    REFUSED = auto()  # frames that found the input queue full
    LISTENING = auto()  # 1 while the caller waits for an answer
    FINISH = auto()
    STOP = auto()
    # As bytes behind the numbers: what the loop failed with.
    FAILURE_SIZE = auto()


#: Numbers in the head, some of them spare.
HEAD = 64


class State(IntEnum):
    """What the loop is doing."""

    STARTING = 0
    RUNNING = auto()
    ENDED = auto()  # flushed: no answer will follow
    FAILED = auto()  # of an error that stands in the memory
