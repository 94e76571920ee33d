"""One stream: frames in, the frames that are ready out, its state between the calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeseq.contract import Contract, Port, resolve_shape
from edgeseq.errors import ContextFull, ProviderError, ShapeError, StreamEnded
from edgeseq.runtime.answers import Answer, Answers
from edgeseq.runtime.calls import Repeat
from edgeseq.runtime.devices import Array, Device
from edgeseq.runtime.engine import engine_errors
from edgeseq.runtime.feeder import Feeder
from edgeseq.runtime.inputs import check_frames, check_names, check_range, known_shape
from edgeseq.runtime.schedule import accepted_lengths, along, fed_at_end, frames_of, given


class Stream:
    """One stream of a model, or ``batch`` of them in lock-step; made by ``Model.stream``.

    ``step`` takes any number of frames and returns those that are ready, ``flush`` returns what is still owed and ends
    the stream, ``reset`` starts it anew. A step that raises changes nothing, unless its message asks for ``reset``.
    Not for use by two threads at once; streams of one model are independent.
    """

    __slots__ = (
        "_contract",
        "_device",
        "_fast",
        "_feeder",
        "_out_ports",
        "_ports",
        "_ranged",
        "_shapes",
        "_sizes",
        "_timed",
        "_total",
        "_until",
        "_waiting",
        "_waiting_frames",
    )

    def __init__(
        self,
        contract: Contract,
        device: Device,
        session: Any,
        conditioning: Mapping[str, Array],
        sizes: Mapping[str, int],
        max_context: int | None,
    ) -> None:
        self._contract = contract
        self._device = device
        self._sizes = dict(sizes)
        self._ports = contract.with_role("frame")
        self._out_ports = contract.with_role("output")
        self._timed = tuple(port for port in self._out_ports if port.time_axis is not None)
        self._ranged = any(port.range is not None and "int" in port.dtype for port in self._ports)
        self._shapes = {port.name: known_shape(port.shape, sizes) for port in self._ports}
        self._feeder = Feeder(contract, device, session, conditioning, sizes, max_context)
        self._rewind()

    def reset(self) -> None:
        """Start anew: position 0, initial states, nothing waiting. Conditioning and cache sizes stay."""
        self._feeder.begin()
        self._rewind()

    def _rewind(self) -> None:
        self._fast: Repeat | None = None
        self._until = 0
        self._total: int | None = None
        self._waiting: dict[str, Array] = {}
        self._waiting_frames = 0

    def step(self, frames: Any = None, /, *, out: Any = None, **named: Any) -> Answers:
        """Take any k >= 1 frames and return those that are ready, n >= 0 of them along the time axis.

        ``frames`` is the array of the only input; several inputs are given by name, or as one dict. With one output the
        answer is its array, with several a dict by name. The answer is the caller's own. ``out`` (an array, or a dict)
        is filled and returned instead of a new array; :meth:`expect` tells its number of frames. An output without a
        time axis has its value after the frames so far; before the graph was first called it is zeros.

        Raises ShapeError, ContextFull, StreamEnded, or ProviderError when onnxruntime fails.
        """
        fast = self._fast
        if fast is not None and self._feeder.fed + fast.base_frames <= self._until:
            # The same call as last time with nothing in the way: the checks, a copy in, a run, a copy out.
            if (
                type(frames) is np.ndarray
                and frames.shape == fast.shape
                and frames.dtype is fast.dtype
                and not named
                and len(fast.targets) == 1
            ):
                fast.target[...] = frames
                return self._repeat(fast, out)
            if named and frames is None and fast.take(named):
                return self._repeat(fast, out)
        return self._step(self._named(frames, named), out)

    def _repeat(self, fast: Repeat, out: Any) -> Answers:
        """Run a call whose inputs are written, and copy its outputs out."""
        feeder = self._feeder
        if self._ranged:
            for port, (_, target) in zip(self._ports, fast.targets, strict=True):
                check_range(port, target)
        if out is not None:
            if fast.result is None or isinstance(out, Mapping):
                return self._step(dict(fast.targets), out)
            fast.check_out(out)
        try:
            feeder.run(fast.handles[feeder.side], feeder.options)
        except engine_errors() as error:
            self._fast = None
            raise feeder.failed(error, False) from error
        feeder.side ^= 1
        feeder.fed += fast.base_frames
        if out is not None:
            out[...] = fast.result
            return out  # type: ignore[no-any-return]
        if fast.result is not None:
            return fast.result.copy()
        return {name: result.copy() for name, result in fast.results}

    def flush(self) -> Answers:
        """Return what is still owed, and the final value of outputs without a time axis; ends the stream.

        ShapeError, and an unchanged stream, where the model takes no input of this length.
        """
        self._check_open()
        feeder, total = self._feeder, self.frames_in
        lengths = self._lengths(total)
        end = fed_at_end(self._contract, total, feeder.fed) if total else 0
        filler = {port.name: self._filler(port, max(0, end - total)) for port in self._ports}
        answer = Answer(self._out_ports, self._sizes, self._given(feeder.fed), lengths)
        self._fast = None
        feeder.reserve(end)
        feeder.feed(self._join(filler), end - feeder.fed, answer, total)
        answer.settle(feeder.last)
        self._rewind()
        self._total = total
        return answer.value

    def expect(self, frames: int) -> int | dict[str, int]:
        """How many frames a step of ``frames`` base frames will return; a dict by name for several timed outputs."""
        before, after = self._given(self._feeder.fed), self._given(self._feeder.fed + self._ready(frames))
        return _one_or_dict({name: after[name] - before[name] for name in after})

    @property
    def frames_in(self) -> int:
        """Base frames taken from the caller, those that wait included."""
        return self._feeder.fed + self._waiting_frames if self._total is None else self._total

    @property
    def frames_out(self) -> int | dict[str, int]:
        """Frames given to the caller; a dict by name for several outputs with a time axis."""
        return _one_or_dict(self._given(self._feeder.fed) if self._total is None else self._lengths(self._total))

    @property
    def position(self) -> int:
        """Base frames that the graph has been fed, filler at the end included."""
        return self._feeder.fed

    @property
    def ended(self) -> bool:
        """Whether ``flush`` was called since the start or the last ``reset``."""
        return self._total is not None

    @property
    def state_bytes(self) -> int:
        """Bytes of this stream's state tensors, both sets where a state has two."""
        return self._feeder.state_bytes

    def __repr__(self) -> str:
        inputs, outputs = (", ".join(port.name for port in ports) for ports in (self._ports, self._out_ports))
        where = f"batch={self._sizes['batch']}, position={self.position}, device={str(self._device)!r}"
        return f"Stream({inputs} -> {outputs}, {where}{', ended' if self.ended else ''})"

    def _named(self, frames: Any, named: dict[str, Any]) -> Mapping[str, Any]:
        """The caller's inputs by name."""
        if named and frames is not None:
            raise ShapeError("give the inputs by name or as one argument, not both")
        if isinstance(frames, Mapping):
            return frames
        if named:
            return named
        if len(self._ports) > 1:
            names = ", ".join(port.name for port in self._ports)
            raise ShapeError(
                "this model has several inputs", wanted=names, do="give them by name: step(name=array, ...)"
            )
        return {self._ports[0].name: frames}

    def _step(self, frames: Mapping[str, Any], out: Any) -> Answers:
        """The general step: any inputs, frames that wait, delays, several calls."""
        self._check_open()
        check_names(frames, self._ports, "the inputs")
        taken = check_frames(frames, self._ports, self._shapes)
        self._check_room(taken)
        feeder, before, ready = self._feeder, self._feeder.fed, self._ready(taken)
        answer = Answer(self._out_ports, self._sizes, self._given(before), self._given(before + ready), out)
        self._fast = None
        feeder.reserve(before + ready)
        joined = self._join(frames)
        feeder.feed(joined, ready, answer)
        answer.settle(feeder.last)
        self._keep(joined, ready, self._waiting_frames + taken - ready)
        self._choose_fast(before)
        return answer.value

    def _ready(self, taken: int) -> int:
        """How many base frames go to the graph when ``taken`` more are given: whole multiples."""
        multiple = self._contract.chunk.multiple
        return (self._waiting_frames + taken) // multiple * multiple

    def _join(self, frames: Mapping[str, Array]) -> Mapping[str, Array]:
        """The waiting frames and then ``frames``, by input."""
        if not self._waiting_frames:
            return frames
        return {
            port.name: np.concatenate([self._waiting[port.name], frames[port.name]], axis=port.time_axis or 0)
            for port in self._ports
        }

    def _keep(self, joined: Mapping[str, Array], fed: int, rest: int) -> None:
        """Let the last ``rest`` base frames of ``joined`` wait, after the first ``fed`` went to the graph."""
        self._waiting_frames = rest
        self._waiting = {}
        for port in self._ports if rest else ():
            part = along(port.time_axis or 0, frames_of(port, fed), frames_of(port, fed + rest))
            self._waiting[port.name] = joined[port.name][part].copy()

    def _choose_fast(self, before: int) -> None:
        """Set the call that ``step`` may repeat without further thought, and the position up to which it may."""
        call, fed = self._feeder.last, self._feeder.fed
        if call is None or self._waiting_frames or fed - before != call.base_frames:
            return
        if all(frames_of(port, fed) >= port.delay for port in self._timed):
            self._fast = call.repeat
            self._until = self._feeder.repeats_until()

    def _filler(self, port: Port, base_frames: int) -> Array:
        """Zeros that follow the last real frame."""
        sizes = {**self._sizes, "time": frames_of(port, base_frames)}
        return np.zeros(resolve_shape(port.shape, sizes), dtype=port.dtype)

    def _check_open(self) -> None:
        if self._total is not None:
            raise StreamEnded("the stream has ended", why="flush was called", do="call reset() to start anew")
        if self._feeder.broken:
            raise ProviderError(
                "the stream is broken", why="onnxruntime failed in an earlier step", do="call reset() to start anew"
            )

    def _check_room(self, taken: int) -> None:
        limit, total = self._feeder.limit, self.frames_in
        if limit is not None and total + taken > limit:
            raise ContextFull(
                "the context is full",
                where=f"position {total}",
                got=f"{taken} more frames",
                wanted=f"at most {limit} in all",
                do="call reset(), or open a stream with more room: a larger max_context in stream() or at export",
            )

    def _lengths(self, total: int) -> dict[str, int]:
        """Frames of every timed output for ``total`` base frames; ShapeError where the model takes no such length."""
        if total == 0:
            return {port.name: 0 for port in self._timed}
        lengths = {port.name: port.length(total) if port.length else None for port in self._timed}
        if total < self._contract.min_frames or any(length is None for length in lengths.values()):
            raise ShapeError(
                "the model takes no input of this length",
                got=f"{total} frames",
                wanted=accepted_lengths(self._contract),
                do="step more frames, then flush again",
            )
        return {name: length or 0 for name, length in lengths.items()}

    def _given(self, fed: int) -> dict[str, int]:
        return {port.name: given(port, fed) for port in self._timed}


def _one_or_dict(counts: dict[str, int]) -> int | dict[str, int]:
    return counts if len(counts) > 1 else next(iter(counts.values()), 0)
