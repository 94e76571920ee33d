"""The counters at the head of the shared memory: one 64-bit number each, which one side writes and both read."""

from __future__ import annotations

from enum import IntEnum, auto


class Place:
    """Where each number stands, in units of eight bytes. No enumeration: that takes three times as long to index."""

    #: Written by the loop. Of frames that left the input queue and answers that were written, of what was late.
    STATE, TAKEN, ANSWERED, SLOTS, LATE_FRAME, LONG_STEP, LATE_WAKE = range(7)
    DROPPED_LATE, DROPPED_STALE, FILLED, MOST_AT_ONCE, MOVED = range(7, 12)
    BEGUN_NS, NOW_NS, CPU_NS = range(12, 15)
    #: 1 while only a frame wakes the loop before its time; bytes of what it failed with.
    SLEEPING, FAILURE_SIZE = range(15, 17)
    #: Written by the caller. Frames that entered the queue or found it full, answers that were read, those of them that
    #: were written over before.
    PUT, REFUSED, READ, LOST = range(17, 21)
    #: 1 while the caller waits for an answer; once it gives no more frames; once all shall end.
    LISTENING, FINISH, STOP = range(21, 24)


#: Numbers in the head, some of them spare.
HEAD = 64


class State(IntEnum):
    """What the loop is doing."""

    STARTING = 0
    RUNNING = auto()
    ENDED = auto()  # flushed: no answer will follow
    FAILED = auto()  # of an error that stands in the memory
