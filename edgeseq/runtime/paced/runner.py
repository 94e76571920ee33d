"""A stream that is stepped on time, whatever the program around it does."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from edgeseq.errors import EdgeseqError, ProviderError, QueueFull, StreamEnded, UsageError
from edgeseq.runtime.foreign import as_array
from edgeseq.runtime.inputs import by_name, check_frames, check_names, known_shape
from edgeseq.runtime.model import Model
from edgeseq.runtime.paced.arguments import Asked, Prepared, prepare
from edgeseq.runtime.paced.pace import Policy
from edgeseq.runtime.paced.places import Place, State
from edgeseq.runtime.paced.queues import PacedAnswer
from edgeseq.runtime.paced.report import Paced, report
from edgeseq.runtime.paced.scheduling import Scheduling
from edgeseq.runtime.paced.starting import InProcess, InThread, Site
from edgeseq.runtime.paced.warming import KeepWarm

#: Seconds that a process may take to load a file; it is watched meanwhile.
_START_S = 600.0
_ANOTHER = "make another PacedRunner"


class PacedRunner:
    """One stream of a model, stepped once per ``period`` by a process of its own.

    ``put`` hands in one chunk, ``get`` takes the next answer; both are bounded queues in shared memory, nothing is
    pickled. One thread puts and one gets. ``report`` tells what was late, and why. Leave a ``with`` block, or call
    :meth:`close`, to end it.
    """

    def __init__(
        self,
        model: Model | str | os.PathLike[str],
        period: float,
        on_late: Policy = "skip",
        *,
        chunk: int | None = None,
        margin: float | None = None,
        deadline: float | None = None,
        queue: int = 8,
        answers: int = 32,
        on_full: str = "raise",
        where: str = "process",
        keep_warm: KeepWarm = None,
        scheduling: Scheduling | None = None,
        batch: int = 1,
        conditioning: Mapping[str, Any] | None = None,
        max_context: int | None = None,
        on_nonfinite: str = "raise",
        **opened: Any,
    ) -> None:
        """``period``: seconds from chunk to chunk; ``chunk`` base frames make one, the contract's multiple unless said.

        ``margin``: seconds from the first chunk's arrival to its slot, half a period unless said: how much later than
        usual a frame may come and still be on time, and what it costs in latency. ``deadline``: seconds from a slot's
        due time after which its answer is a miss, the period unless said. ``queue`` chunks may wait to be stepped, and
        ``answers`` to be read; beyond that the oldest answer is lost. ``on_full``: what ``put`` does when ``queue``
        chunks wait: ``raise`` QueueFull, ``drop`` the new chunk, or ``wait``.

        ``on_late``: ``skip`` leaves a slot without its frame unanswered, ``repeat`` fills it with the last frame, both
        drop the frame when it comes; ``catch-up`` loses nothing and steps together what has piled up.

        ``where="thread"`` runs it in a thread of this process: no second copy of the model and no start of a process,
        but every step waits for the interpreter's lock: as long as another thread computes in Python that is 5 ms and
        more, again and again.

        ``keep_warm``: what is done shortly before a slot is due, a :class:`Spin`, :class:`Dummy` or :class:`Touch`, or
        several. ``scheduling``: what is asked of the system.

        ``model`` is a file or a loaded model; its file is loaded again by the process, in the same way. For a file,
        ``device``, ``threads``, ``allow_unverified`` and the like are as for ``load``.

        Returns when the first frame may come. Raises what ``load`` and ``Model.stream`` raise, and UsageError.
        """
        policies = on_nonfinite, keep_warm, scheduling, where
        asked = Asked(period, on_late, chunk, margin, deadline, queue, answers, batch, max_context, *policies)
        prepared = prepare(model, asked, conditioning, opened)
        self._on_full = _on_full(on_full)
        self._contract, self._settings = prepared.contract, prepared.settings
        self._ports = prepared.contract.with_role("frame")
        self._given_once = prepared.contract.with_role("conditioning")
        self._shapes = {port.name: known_shape(port.shape, prepared.settings.sizes) for port in self._ports}
        self._finite = on_nonfinite == "raise"
        self._putting, self._getting = threading.Lock(), threading.Lock()
        self._site = _site(prepared)
        self._board = self._site.board
        self._end = weakref.finalize(self, self._site.stop)
        try:
            self._await_start()
        except BaseException:
            self.close()
            raise

    def put(self, frames: Any = None, /, *, timeout: float | None = None, **named: Any) -> bool:
        """Hand in one chunk, given as to ``Stream.step``; it is copied. Whether it was taken.

        Raises ShapeError and NonFiniteInput for frames that do not fit, QueueFull, what the stream failed with
        (ContextFull for one), or StreamEnded. ``timeout``: seconds to wait with ``on_full="wait"``, without end unless
        said; False when they are over.
        """
        with _alone(self._putting):
            board = self._board
            given = self._checked(frames, named)
            self._check_running()
            if board.head[Place.FINISH]:
                raise StreamEnded("the stream takes no more frames", why="finish was called", do=_ANOTHER)
            if board.frames.full and not self._made_room(timeout):
                return False
            board.frames.put(given, time.monotonic_ns())
            board.given()
            return True

    def get(self, timeout: float | None = None) -> PacedAnswer | None:
        """The next answer; None where none came within ``timeout`` seconds, without end unless said.

        What was answered before the stream ended or failed is given first; then StreamEnded, or the failure, is raised.
        """
        with _alone(self._getting):
            until = None if timeout is None else time.monotonic() + timeout
            while True:
                ended = self._why_ended()
                found = self._board.replies.read()
                if found is not None:
                    return found
                if ended is not None:
                    raise ended
                left = None if until is None else until - time.monotonic()
                if left is not None and left <= 0:
                    return None
                self._listen(left)

    def finish(self) -> None:
        """No more frames: what waits is stepped at its time, then the stream is flushed and ``get`` gives the rest."""
        self._check_running()
        self._board.head[Place.FINISH] = 1
        self._board.bell.ring()

    def report(self) -> Paced:
        """What happened so far; may be asked for at any time, also after the end."""
        return report(self._board)

    @property
    def pid(self) -> int | None:
        """The process that steps; None for a thread."""
        return self._site.pid

    def close(self) -> None:
        """End the loop and let go of everything; what was not read is lost. Closing twice is closing once."""
        self._end()

    def __enter__(self) -> PacedRunner:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        settings = self._settings
        state = "closed" if not self._end.alive else State(self._board.head[Place.STATE]).name.lower()
        return f"PacedRunner({settings.path!r}, period={settings.period_ns / 1e9:g}, {settings.on_late!r}, {state})"

    def _checked(self, frames: Any, named: Mapping[str, Any]) -> Mapping[str, Any]:
        """The arrays of one chunk by name."""
        given = by_name(frames, named, self._ports, "by name: put(name=array, ...)")
        check_names(given, self._ports, "the inputs", self._given_once)
        arrays = {name: as_array(name, value) for name, value in given.items()}
        count = check_frames(arrays, self._ports, self._shapes, self._finite)
        if count != self._settings.chunk:
            raise UsageError(
                "this is not one chunk",
                got=f"{count} base frames",
                wanted=self._settings.chunk,
                do="give PacedRunner(chunk=...) the frames of one period",
            )
        return arrays

    def _made_room(self, timeout: float | None) -> bool:
        """Whether a full queue has room after what ``on_full`` says."""
        board, settings = self._board, self._settings
        if self._on_full == "wait":
            until = None if timeout is None else time.monotonic() + timeout
            while board.frames.full:
                if until is not None and time.monotonic() >= until:
                    return False
                self._check_running()
                time.sleep(min(settings.period_ns / 4e9, 0.05))
            return True
        board.head[Place.REFUSED] += 1
        if self._on_full == "drop":
            return False
        raise QueueFull(
            "the input queue is full",
            got=f"{settings.queue} chunks",
            why="frames come faster than one per period, or the model takes longer than a period",
            do="give a larger queue=, or choose on_full='drop' or 'wait'",
        )

    def _listen(self, seconds: float | None) -> None:
        """Sleep until there is an answer, or the loop is gone."""
        head = self._board.head
        head[Place.LISTENING] = 1
        if head[Place.READ] == head[Place.ANSWERED]:
            self._board.ear.sleep(0.1 if seconds is None else min(0.1, seconds))
        head[Place.LISTENING] = 0

    def _await_start(self) -> None:
        until = time.monotonic() + _START_S
        while self._board.head[Place.STATE] == State.STARTING:
            if (ended := self._why_ended()) is not None:
                raise ended
            if time.monotonic() > until:
                raise ProviderError("the paced process does not start", why=f"{_START_S:g} seconds were not enough")
            self._listen(None)
        self._check_running()

    def _check_running(self) -> None:
        if (ended := self._why_ended()) is not None:
            raise ended

    def _why_ended(self) -> EdgeseqError | None:
        """What to raise when there are no answers left; None while there may be more."""
        if not self._end.alive:
            return _closed()
        state = self._board.head[Place.STATE]
        if state == State.FAILED:
            return self._board.failure
        if state == State.ENDED:
            return StreamEnded("the stream has ended", why="finish was called", do=_ANOTHER)
        how = self._site.ended()
        # It may have told why while it was asked.
        if how is None or self._board.head[Place.STATE] >= State.ENDED:
            return None
        if self._board.head[Place.STOP]:  # by another thread
            return _closed()
        return ProviderError(
            "the paced loop ended on its own", where=self._settings.path, why=how, do="look at standard error for more"
        )


def _closed() -> StreamEnded:
    return StreamEnded("the runner is closed", do=_ANOTHER)


def _site(prepared: Prepared) -> Site:
    """The loop, started."""
    contract, settings, arrays = prepared.contract, prepared.settings, prepared.conditioning
    if settings.alone:
        return InProcess(contract, settings, arrays)
    return InThread(contract, settings, arrays, prepared.model)


def _on_full(word: object) -> str:
    if word in ("raise", "drop", "wait"):
        return str(word)
    raise UsageError("unknown on_full", got=repr(word), wanted="'raise', 'drop' or 'wait'")


@contextmanager
def _alone(lock: threading.Lock) -> Iterator[None]:
    """The part of a call that one thread at a time may be in; UsageError for a second one."""
    if not lock.acquire(blocking=False):
        raise UsageError(
            "the runner is in the middle of the same call",
            why="one thread puts and one thread gets",
            do="make a runner for every stream",
        )
    try:
        yield
    finally:
        lock.release()
