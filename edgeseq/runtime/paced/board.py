"""One side's view of the shared memory, and how it sleeps and wakes the other side."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from mmap import mmap

import numpy as np

from edgeseq.contract import Contract
from edgeseq.errors import EdgeseqError
from edgeseq.runtime.devices import Array
from edgeseq.runtime.paced import failing
from edgeseq.runtime.paced.layout import Layout, Preface
from edgeseq.runtime.paced.places import HEAD, Place, State
from edgeseq.runtime.paced.queues import Frames, Replies
from edgeseq.runtime.paced.wakes import LONGEST, ORDERED, Bell, Ear


class Board:
    """Counters, histograms and queues. ``head`` holds the numbers of ``Place``."""

    def __init__(self, contract: Contract, layout: Layout, memory: mmap, chunk: int, ear: Ear, bell: Bell) -> None:
        self.contract, self.layout, self.chunk, self.ear, self.bell = contract, layout, chunk, ear, bell
        self.bytes: Array = np.frombuffer(memory, np.uint8)
        # Views of the memory that are read and written without numpy, at a third of its price.
        self.head = memoryview(memory)[: 8 * HEAD].cast("q")
        self.histograms = {
            name: memoryview(memory)[piece.offset : piece.offset + 8 * piece.shape[0]].cast("q")
            for name, piece in layout.histograms.items()
        }
        self.frames = Frames(layout, self.bytes, self.head)
        self.replies = Replies(layout, self.bytes, self.head)
        self.alive: Callable[[], bool] = lambda: True

    def give(self, conditioning: Mapping[str, Array]) -> None:
        """The caller's: put conditioning where the loop finds it."""
        for name, array in conditioning.items():
            self.layout.conditioning[name].of(self.bytes)[...] = array

    def sleep(self, seconds: float | None, frame: bool) -> bool:
        """The loop's: sleep so long at most, or until something happens; False where nobody is left to work for.

        With ``frame`` a frame that comes is something, without one it has to wait.
        """
        if frame:
            self.head[Place.SLEEPING] = 1
            seconds = 0.0 if self.frames.waiting else min(LONGEST, LONGEST if seconds is None else seconds)
        heard = self.ear.sleep(1.0 if seconds is None else min(1.0, seconds))
        self.head[Place.SLEEPING] = 0
        return heard and self.alive()

    def answered(self) -> None:
        """The loop's: wake a caller that waits for an answer."""
        if self.head[Place.LISTENING] or not ORDERED:
            self.bell.ring()

    def given(self) -> None:
        """The caller's: wake a loop that waits for a frame."""
        if self.head[Place.SLEEPING] or not ORDERED:
            self.bell.ring()

    def become(self, state: State) -> None:
        """The loop's: tell what it does now."""
        self.head[Place.STATE] = state
        self.bell.ring()

    def fail(self, error: EdgeseqError) -> None:
        """The loop's: leave the error for the caller."""
        leave(error, self.layout, self.bytes)
        self.bell.ring()

    @property
    def failure(self) -> EdgeseqError:
        """The caller's: what the loop failed with."""
        size = self.head[Place.FAILURE_SIZE]
        return failing.from_bytes(self.layout.failure.of(self.bytes)[:size].tobytes())


def leave(error: EdgeseqError, preface: Preface, memory: Array) -> None:
    """Write what a loop fails with to memory, which is of bytes."""
    data = failing.to_bytes(error)
    preface.failure.of(memory)[: len(data)] = np.frombuffer(data, np.uint8)
    head = preface.head.of(memory)
    head[Place.FAILURE_SIZE] = len(data)
    head[Place.STATE] = State.FAILED
