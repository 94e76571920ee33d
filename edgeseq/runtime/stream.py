"""One stream: frames in, the frames that are ready out, its state between the calls."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from types import TracebackType
from typing import Any

from numpy import ndarray

from edgeseq.errors import EdgeseqError, ProviderError, UsageError
from edgeseq.runtime.advancing import Advancing
from edgeseq.runtime.alone import alone, crowded
from edgeseq.runtime.answers import Answers
from edgeseq.runtime.engine import engine_errors
from edgeseq.runtime.finite import dot
from edgeseq.runtime.foreign import as_array
from edgeseq.runtime.inputs import by_name, check_count, check_frames, check_names, known_shape
from edgeseq.runtime.logs import LOGGER
from edgeseq.runtime.missing import copies
from edgeseq.runtime.opening import Opening
from edgeseq.runtime.repeat import Repeat
from edgeseq.runtime.schedule import lengths_at_end

_NUMBERS = itertools.count(1)


class Stream(Advancing):
    """One stream of a model, or ``batch`` of them in lock-step; made by ``Model.stream``.

    ``step`` takes any number of frames and returns those that are ready, ``flush`` returns what is still owed and ends
    the stream, ``reset`` starts it anew, ``close``, or leaving a ``with`` block, lets go of its memory. A call that
    raises changes nothing, unless its message asks for ``reset``. ``snapshot`` and ``restore`` go back, ``fork`` goes
    two ways. Not for use by two threads at once; streams of one model are independent.
    """

    __slots__ = ("_conditioning", "_finite", "_held", "_number", "_shapes")

    def __init__(self, opening: Opening, source: Stream | None = None) -> None:
        """``source``: what to go on from, a stream opened alike. UsageError where a policy means nothing here."""
        super().__init__(opening, None if source is None else source._feeder.room)
        self._finite = opening.finite
        self._held = self._missing if self._missing.holds else None
        self._conditioning = opening.contract.with_role("conditioning")
        self._shapes = {port.name: known_shape(port.shape, opening.sizes) for port in self._ports}
        self._number = next(_NUMBERS)
        if source is None:
            self._feeder.begin()
        else:
            self._become(source._seen())
            self._kept.extend(source._kept)
        LOGGER.info("stream %d opened: %r", self._number, self)

    def step(self, frames: Any = None, /, *, out: Any = None, **named: Any) -> Answers:
        """Take any k >= 1 frames and return those that are ready, n >= 0 of them along the time axis.

        ``frames`` is the array of the only input; several inputs are given by name, or as one dict. With one output the
        answer is its array, with several a dict by name. The answer is the caller's own. ``out`` (an array, or a dict)
        is filled and returned instead of a new array; :meth:`expect` tells its number of frames. An output without a
        time axis has its value after the frames so far; before the graph was first called it is zeros.

        Raises ShapeError, NonFiniteInput, ContextFull, StreamEnded, or ProviderError when onnxruntime fails.
        """
        # No thread is changed and no signal arrives between these two lines: CPython looks for either after a call.
        if self._busy:
            raise crowded()
        self._busy = True
        try:
            fast = self._fast
            if fast is not None and self._feeder.fed + fast.base_frames <= self._until:
                # The same call as last time with nothing in the way: the checks, a copy in, a run, a copy out.
                if type(frames) is ndarray and frames.shape == fast.shape and frames.dtype is fast.dtype and not named:
                    fast.target[...] = frames
                    return self._repeat(fast, out)
                if fast.take(self._named(frames, named)):
                    return self._repeat(fast, out)
            return self._step(self._named(frames, named), out)
        except EdgeseqError as error:
            self._log_refusal("step", error)
            raise
        except MemoryError as error:
            raise ProviderError(
                "there is no memory for this step", why=str(error), do="step fewer frames at once"
            ) from error
        finally:
            self._busy = False

    def _repeat(self, fast: Repeat, out: Any) -> Answers:
        """Run a call whose inputs are copied in, and copy its outputs out.

        The position moves last, when nothing can fail or be interrupted any more: what raises has changed nothing.
        """
        if fast.top is not None:
            if 127 in (top := fast.top.tobytes()) or 255 in top:
                fast.check()  # refuses, unless a value is large but finite
        elif fast.vector is not None:
            if not isfinite(dot(fast.vector, fast.vector)):
                fast.check()  # refuses, unless it is only the sum of squares that is too large
        elif fast.unsure:
            fast.check()
        feeder = self._feeder
        if out is None:
            handles = fast.handles
        elif (
            type(out) is ndarray
            and out.shape == fast.out_shape
            and out.dtype is fast.out_dtype
            and (flags := out.flags).c_contiguous
            and flags.writeable
        ) or fast.fits(out):
            handles = fast.bound_handles if out is fast.bound else feeder.bind(fast, out)
        else:
            return self._general(dict(fast.targets), out)
        held = self._held
        try:
            feeder.run(handles[feeder.side], feeder.options)
            if out is None:
                answer = fast.copies() if fast.result is None else fast.result.copy()
            else:
                answer = out
                if handles is fast.handles:
                    fast.fill(out)
            seen = None if held is None else copies(fast.tails)
        except engine_errors() as error:
            self._fast = None
            raise feeder.failed(error, False) from error
        except BaseException:
            self._fast = None
            feeder.interrupted()
            raise
        feeder.side ^= 1
        feeder.fed += fast.base_frames
        if held is not None:
            held.last = seen
        return answer

    @alone
    def missing(self, frames: int, *, out: Any = None) -> Answers:
        """Go on over ``frames`` base frames that never came, and return what a step of as many would.

        What stands in for them was chosen when the stream was opened, ``Model.stream(on_missing=...)``: with ``hold``
        the last frame of every input that was stepped, or zeros before there was one; with ``zero`` zeros; with
        ``raise`` this raises UsageError. However many they are, they are fed a few hundred at a time.
        """
        try:
            with self._or_broken():
                self._check_open()
                count = check_count("frames", frames)
                self._missing.check(count)
                self._check_room(count)
                answer = self._advance(self._made_up(count), count, out)
                self._missing.count += count
                return answer
        except EdgeseqError as error:
            self._log_refusal("missing", error)
            raise
        except MemoryError as error:
            raise UsageError("there is no memory for the answer to so many missing frames", got=frames) from error

    @alone
    def flush(self) -> Answers:
        """Return what is still owed, and the final value of outputs without a time axis; ends the stream.

        All answers together then have the frames that the model gives for a sequence of this length. ShapeError, and an
        unchanged stream, where the model takes no sequence of this length.
        """
        try:
            with self._or_broken():
                self._check_open()
                total = self.frames_in
                lengths = lengths_at_end(self._contract, total)
                answer = self._rest(total, lengths)
                LOGGER.info("stream %d flushed: %d frames in, %s out", self._number, total, lengths)
                return answer
        except EdgeseqError as error:
            self._log_refusal("flush", error)
            raise
        except MemoryError as error:
            raise ProviderError("there is no memory for what is still owed", why=str(error)) from error

    @alone
    def fork(self) -> Stream:
        """A second stream that goes on from here on its own: one copy of the state, all else is shared.

        It has the conditioning, the policies and the room for context of this one, and its kept snapshots.
        """
        self._check_not_closed()
        self._check_not_broken()
        try:
            return type(self)(self._opening, self)
        except MemoryError as error:
            raise ProviderError("there is no memory for another stream", why=str(error)) from error

    @alone
    def reset(self) -> None:
        """Start anew: position 0, initial states, nothing waiting. Conditioning, policies and cache sizes stay."""
        self._check_not_closed()
        feeder = self._feeder
        self._fast = None
        feeder.broken = True
        self._waiting.drop()
        self._missing.begin()
        self._kept.clear()
        self._total = None
        feeder.begin()
        self._repeat_at_once()
        LOGGER.debug("stream %d reset", self._number)

    @alone
    def close(self) -> None:
        """Let go of buffers and bindings, for good; the counters can still be read. Closing twice is closing once."""
        if self._closed:
            return
        LOGGER.info("stream %d closed: %r", self._number, self)
        self._closed = True
        self._fast = None
        self._feeder.release()
        self._missing.release()
        self._waiting.put({}, self._waiting.frames)
        self._kept.clear()
        self._opening = replace(self._opening, conditioning={})

    def __enter__(self) -> Stream:
        self._check_not_closed()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _named(self, frames: Any, named: dict[str, Any]) -> Mapping[str, Any]:
        """The caller's inputs by name."""
        return by_name(frames, named, self._ports, "by name: step(name=array, ...)")

    def _step(self, frames: Mapping[str, Any], out: Any) -> Answers:
        """A step that does not repeat the latest one as it stands: arrays of other packages may yet do."""
        self._check_open()
        check_names(frames, self._ports, "the inputs", self._conditioning)
        frames = {name: as_array(name, value) for name, value in frames.items()}
        fast = self._fast
        if fast is not None and self._feeder.fed + fast.base_frames <= self._until and fast.take(frames):
            return self._repeat(fast, out)
        return self._general(frames, out)

    def _general(self, frames: Mapping[str, Any], out: Any) -> Answers:
        """The general step: any arrays, frames that wait, delays, several calls."""
        taken = check_frames(frames, self._ports, self._shapes, self._finite)
        self._check_room(taken)
        with self._or_broken():
            answer = self._advance(iter([(frames, taken)]), taken, out)
            if self._held is not None:
                self._held.see_frames(frames)
            return answer

    def _log_refusal(self, what: str, error: EdgeseqError) -> None:
        LOGGER.debug("stream %d refused %s: %s", self._number, what, error)


def stream_of(opening: Opening, outputs: str) -> Stream:
    """A stream; on a GPU one that takes frames from its memory. UsageError for ``outputs`` that are no place."""
    if outputs == "host" and opening.device.shares_memory:
        return Stream(opening)
    from edgeseq.runtime.device_stream import DeviceStream, check_outputs

    check_outputs(outputs, opening)
    return DeviceStream(opening)
