"""The loop that waits for each slot, steps what is there and counts what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from edgeseq.errors import ContextFull
from edgeseq.runtime.answers import Answers
from edgeseq.runtime.devices import Array
from edgeseq.runtime.paced.board import Board
from edgeseq.runtime.paced.histogram import bin_of
from edgeseq.runtime.paced.pace import Pace, Todo
from edgeseq.runtime.paced.places import Place, State
from edgeseq.runtime.paced.queues import Frames, Replies
from edgeseq.runtime.paced.splitting import Splitting

Clock = Callable[[], int]
#: Nanoseconds between two looks for room among the answers.
_LOOK = 5_000_000


class Stepped(Protocol):
    """What a loop needs of a stream."""

    @property
    def frames_in(self) -> int:
        """Base frames so far."""

    def step(self, frames: Mapping[str, Array], /) -> Answers:
        """As ``Stream.step``."""

    def missing(self, frames: int, /) -> Answers:
        """As ``Stream.missing``."""

    def flush(self) -> Answers:
        """As ``Stream.flush``."""


class Waits(Protocol):
    """How a loop waits."""

    def until(self, due_ns: int, frame: bool) -> bool:
        """Return at ``due_ns``, or early where something happened; False where nobody is left to work for."""

    def for_frame(self) -> bool:
        """Return when a frame came, or after a while; False as above."""


class Loop:
    """One stream, its queues and its pace."""

    def __init__(
        self, board: Board, stream: Stepped, pace: Pace, waits: Waits, deadline_ns: int, clock: Clock, cpu: Clock
    ) -> None:
        """``cpu`` reads the processor time of what the loop runs in."""
        layout = board.layout
        self._board, self._head = board, board.head
        self._frames: Frames = board.frames
        self._replies: Replies = board.replies
        self._stream, self._pace, self._waits = stream, pace, waits
        self._deadline, self._clock, self._cpu = deadline_ns, clock, cpu
        self._splitting = Splitting(board.contract, board.chunk, layout.room)
        self._chunk = board.chunk
        self._free = 0  # when the loop was last through with its work
        self._cpu_begun = 0
        self._latency, self._step, self._wake = board.histograms.values()
        self._do: dict[str, Callable[[Todo], object]] = {
            "step": self._stepped,
            "fill": self._filled,
            "empty": self._emptied,
            "late": self._counted,
            "drop": self._dropped,
            "stale": self._staled,
        }

    def run(self) -> None:
        """Go on until it is told to stop, nobody is left, or the stream was flushed."""
        head = self._head
        head[Place.BEGUN_NS] = head[Place.NOW_NS] = self._free = self._clock()
        self._cpu_begun = self._cpu()
        while not head[Place.STOP] and self.turn():
            pass

    def turn(self) -> bool:
        """Do the next thing, or wait for it; False where there will be none."""
        head, waiting = self._head, self._frames.waiting
        if head[Place.FINISH] and not waiting and not self._frames.waiting:
            self._finish()
            return False
        todo = self._pace.look(self._clock(), waiting, self._frames.arrived)
        if todo.what != "wait":
            self._do[todo.what](todo)
            self._free = self._clock()
            return True
        head[Place.NOW_NS], head[Place.CPU_NS] = self._clock(), self._cpu() - self._cpu_begun
        head[Place.MOVED] = self._pace.moved
        return self._waits.for_frame() if todo.due is None else self._waits.until(todo.due, todo.frame)

    def _stepped(self, todo: Todo) -> None:
        """One step of all that is to be stepped, an answer for each; where not all of it fits, what fits."""
        frames, before = self._frames.first(todo.chunks), self._stream.frames_in
        begun = self._clock()
        try:
            answer = self._stream.step(frames)
        except ContextFull:
            if todo.chunks == 1:
                raise
            for index in range(todo.chunks):
                due = (todo.due or 0) + index * self._pace.period
                self._stepped(Todo("step", 1, todo.slot + index, due))
            return
        done = self._clock()
        self._frames.drop(todo.chunks)
        self._reply(todo, answer, before, begun, done, False)
        self._head[Place.MOST_AT_ONCE] = max(self._head[Place.MOST_AT_ONCE], todo.chunks)

    def _filled(self, todo: Todo) -> None:
        """Slots without a frame, over which the stream goes on."""
        before, begun = self._stream.frames_in, self._clock()
        answer = self._stream.missing(todo.chunks * self._chunk)
        self._reply(todo, answer, before, begun, self._clock(), True)
        self._head[Place.FILLED] += todo.chunks
        self._head[Place.LATE_FRAME] += todo.chunks

    def _reply(self, todo: Todo, answer: Answers, before: int, begun: int, done: int, filled: bool) -> None:
        due, period, first = todo.due or 0, self._pace.period, todo.slot
        for index, part in enumerate(self._splitting.parts(answer, before, todo.chunks)):
            self._replies.write(part, (first + index, due + index * period, begun, done, filled))
        self._board.answered()
        self._head[Place.SLOTS] += todo.chunks
        self._step[bin_of(done - begun)] += 1
        if due >= self._free and not self._pace.was_late(first):
            self._wake[bin_of(begun - due)] += 1
        for index in range(todo.chunks):
            late = done - due - index * period
            self._latency[bin_of(late)] += 1
            if late > self._deadline and not filled and not self._pace.was_late(first + index):
                self._miss(late, begun, due)

    def _miss(self, late: int, begun: int, due: int) -> None:
        """An answer after its deadline though its frame was there: whichever took the greater part of the time."""
        waking = begun - max(due, self._free)
        self._head[Place.LATE_WAKE if 2 * waking > late else Place.LONG_STEP] += 1

    def _emptied(self, todo: Todo) -> None:
        self._head[Place.SLOTS] += todo.chunks
        self._head[Place.LATE_FRAME] += todo.chunks

    def _counted(self, todo: Todo) -> None:
        self._head[Place.LATE_FRAME] += todo.chunks

    def _dropped(self, todo: Todo) -> None:
        self._frames.drop(todo.chunks)
        self._head[Place.DROPPED_LATE] += todo.chunks

    def _staled(self, todo: Todo) -> None:
        """Frames whose slots went by: while the loop was at work, or while it slept."""
        self._frames.drop(todo.chunks)
        slept = (todo.due or 0) >= self._free
        self._head[Place.LATE_WAKE if slept else Place.LONG_STEP] += todo.chunks
        self._head[Place.SLOTS] += todo.chunks
        self._head[Place.DROPPED_STALE] += todo.chunks

    def _finish(self) -> None:
        """Flush, and answer with what was owed; no answer is lost to another of these."""
        begun, first = self._clock(), self._head[Place.ANSWERED]
        answer = self._stream.flush()
        done, slot = self._clock(), self._pace.slot
        for part in self._splitting.tail(answer):
            if not self._made_room(first):
                return
            self._replies.write(part, (slot, begun, begun, done, False))
        self._board.become(State.ENDED)

    def _made_room(self, first: int) -> bool:
        """Wait until another answer takes the place of none from ``first`` on; False where nobody is left to read."""
        while self._replies.full_since(first):
            self._board.answered()
            if self._head[Place.STOP] or not self._waits.until(self._clock() + min(self._pace.period, _LOOK), False):
                return False
        return True
