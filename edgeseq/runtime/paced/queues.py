"""Two queues of fixed slots, one writer and one reader each: frames to the loop, answers from it. Nothing locks.

A side fills a slot first and counts it afterwards; the other looks at the count before the slot. x86 keeps both orders,
elsewhere ``wakes.fence`` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from edgeseq.runtime.answers import Answers
from edgeseq.runtime.devices import Array
from edgeseq.runtime.paced.layout import Layout
from edgeseq.runtime.paced.places import Place
from edgeseq.runtime.paced.wakes import fence
from edgeseq.runtime.schedule import along


class PacedAnswer(NamedTuple):
    """What one slot gave: ``answer`` as a step returns it, the caller's own.

    ``due_ns``, ``begun_ns`` and ``done_ns`` are readings of ``time.monotonic_ns``. ``filled``: a missing frame stood in
    for the slot's own.
    """

    slot: int
    answer: Answers
    due_ns: int
    begun_ns: int
    done_ns: int
    filled: bool


class Frames:
    """Chunks on their way to the loop."""

    def __init__(self, layout: Layout, memory: Array, head: memoryview) -> None:
        self._head = head
        self._arrived = [slot.head.of(memory) for slot in layout.frames]
        self._slots = [{name: piece.of(memory) for name, piece in slot.arrays.items()} for slot in layout.frames]
        self._axes = {port.name: port.time_axis or 0 for port in layout.ports}
        self._size = len(layout.frames)

    @property
    def waiting(self) -> int:
        """Chunks that wait."""
        count = self._head[Place.PUT] - self._head[Place.TAKEN]
        fence()
        return count

    @property
    def full(self) -> bool:
        """Whether there is no room for another."""
        return self.waiting >= self._size

    def put(self, frames: Mapping[str, Array], now_ns: int) -> None:
        """Add a chunk; the queue must not be full."""
        count = self._head[Place.PUT]
        place = count % self._size
        for name, array in self._slots[place].items():
            array[...] = frames[name]
        self._arrived[place][0] = now_ns
        fence()
        self._head[Place.PUT] = count + 1

    def arrived(self, index: int) -> int:
        """When the chunk came that so many others are in front of."""
        return int(self._arrived[(self._head[Place.TAKEN] + index) % self._size][0])

    def first(self, count: int) -> Mapping[str, Array]:
        """The first ``count`` chunks as one, not to be read after they are dropped."""
        taken = self._head[Place.TAKEN]
        if count == 1:
            return self._slots[taken % self._size]
        slots = [self._slots[(taken + index) % self._size] for index in range(count)]
        return {name: np.concatenate([slot[name] for slot in slots], axis=axis) for name, axis in self._axes.items()}

    def drop(self, count: int) -> None:
        """Make room: the first ``count`` are done with."""
        fence()
        self._head[Place.TAKEN] += count


class Replies:
    """Answers on their way back; a full queue loses the oldest."""

    def __init__(self, layout: Layout, memory: Array, head: memoryview) -> None:
        self._head = head
        self._heads = [slot.head.of(memory) for slot in layout.answers]
        self._slots = [{name: piece.of(memory) for name, piece in slot.arrays.items()} for slot in layout.answers]
        self._axes = layout.axes
        self._kept = layout.kept

    def full_since(self, first: int) -> bool:
        """Whether another answer would take the place of an unread one, of those from number ``first`` on."""
        return self._head[Place.ANSWERED] - max(self._head[Place.READ], first) >= self._kept

    def write(self, answer: Mapping[str, Array], numbers: tuple[int, int, int, int, bool]) -> None:
        """Add one answer; ``numbers`` are slot, due, begun, done and filled."""
        count = self._head[Place.ANSWERED]
        place = count % len(self._slots)
        slot, frames = self._slots[place], []
        for name, array in answer.items():
            axis = self._axes[name]
            ready = -1 if axis is None else array.shape[axis]
            frames.append(ready)
            target = slot[name]
            (target if axis is None else target[along(axis, 0, ready)])[...] = array
        self._heads[place][:] = (*numbers, *frames)
        fence()
        self._head[Place.ANSWERED] = count + 1

    def read(self) -> PacedAnswer | None:
        """The oldest answer that is still there, None where there is none."""
        head = self._head
        while (read := head[Place.READ]) < (written := head[Place.ANSWERED]):
            oldest = max(read, written - self._kept)
            fence()
            found = self._copy(oldest % len(self._slots))
            fence()
            # The slot may have been written again meanwhile: then what was copied is torn.
            if head[Place.ANSWERED] - oldest < len(self._slots):
                head[Place.LOST] += oldest - read
                head[Place.READ] = oldest + 1
                return found
        return None

    def _copy(self, place: int) -> PacedAnswer:
        slot, due, begun, done, filled, *frames = self._heads[place].tolist()
        arrays = {}
        for (name, array), ready in zip(self._slots[place].items(), frames, strict=True):
            axis = self._axes[name]
            arrays[name] = (array if axis is None else array[along(axis, 0, ready)]).copy()
        value: Answers = arrays if len(arrays) > 1 else next(iter(arrays.values()))
        return PacedAnswer(slot, value, due, begun, done, bool(filled))
