"""What feeds base frames to the graph: position, states, cut calls, caches that grow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeseq.contract import END_UNKNOWN
from edgeseq.errors import ContextFull, ProviderError
from edgeseq.runtime.answers import Answer
from edgeseq.runtime.calls import Call, Calls
from edgeseq.runtime.capture import capturing, uncaptured
from edgeseq.runtime.devices import Array
from edgeseq.runtime.engine import bound_run, engine_errors, first_line, run_options
from edgeseq.runtime.logs import LOGGER
from edgeseq.runtime.opening import Opening
from edgeseq.runtime.overlap import Overlaps
from edgeseq.runtime.repeat import Repeat
from edgeseq.runtime.schedule import along, frames_of, split
from edgeseq.runtime.states import FIRST_CONTEXT, States
from edgeseq.runtime.transfers import transferring

_NEVER = 2**62


class Feeder:
    """The graph with the state of one stream.

    ``fed``: base frames fed so far. ``side``: the set of states that holds the current values. ``limit``: base frames
    that a caller may give, None for no limit. ``broken``: onnxruntime failed and left the states half stepped.
    """

    __slots__ = (
        "_calls",
        "_context",
        "_contract",
        "_controls",
        "_finals",
        "_fragile",
        "_largest",
        "_last",
        "_overlaps",
        "_ports",
        "_reached",
        "_spare",
        "_starts",
        "_states",
        "_untimed",
        "broken",
        "fed",
        "limit",
        "options",
        "run",
        "side",
    )

    def __init__(self, opening: Opening, room: int | None = None) -> None:
        """Caches get room for ``room`` base frames. The values of the states are not written yet: see :meth:`begin`."""
        contract, device, sizes = opening.contract, opening.device, opening.sizes
        self._contract = contract
        self._ports = contract.with_role("frame")
        self._untimed = tuple(port.name for port in contract.with_role("output") if port.time_axis is None)
        # What a run that is not taken over may have spoilt: caches hold nothing before their position that it changes.
        self._fragile = bool(self._untimed) or any(s.in_place and s.kind != "kv" for s in contract.states)
        self._largest = opening.largest
        self._starts = opening.starts
        self._spare = opening.spare
        self.limit = opening.limit
        self._context = room or opening.max_context or min(self.limit or FIRST_CONTEXT, FIRST_CONTEXT)
        self._states = States(
            contract.states, opening.device_of, sizes, opening.conditioning, self._context + self._spare
        )
        controls = {
            port.name: opening.device_of(port.name).place(np.zeros(sizes["batch"], dtype=np.int64))
            for port in contract.with_role("control")
        }
        self._controls = tuple(controls.values())
        self._tell_remaining(END_UNKNOWN)
        self._overlaps = Overlaps(contract, sizes)
        self._calls = Calls(opening, {**opening.shared, **controls}, self._states, self._overlaps)
        run = bound_run(opening.session)
        self.run = self._overlaps.runner(run if device.shares_memory else transferring(capturing(run)))
        self.options = run_options() if device.graphs is None else uncaptured()
        self.fed = 0
        self.side = 0
        self.broken = False
        self._last: Call | None = None
        self._finals: tuple[int, Mapping[str, Array]] | None = None
        self._reached = 0

    @property
    def state_bytes(self) -> int:
        """Bytes of the state tensors, both sets where a state has two, and of frames kept for the next call."""
        return self._states.nbytes + self._overlaps.nbytes

    @property
    def room(self) -> int:
        """Base frames that the caches have room for now."""
        return self._context

    @property
    def last(self) -> Call | None:
        """The latest call since the beginning, or since other states were put in place; None where there was none."""
        none = self._finals[0] == self.fed if self._finals is not None else self.fed == 0
        return None if none else self._last

    def finals(self) -> Mapping[str, Array]:
        """The values of the outputs without a time axis, by name, for reading at once; empty before there are any."""
        if self._finals is not None and self._finals[0] == self.fed:
            return self._finals[1]
        outputs = self._last.outputs if self._last is not None and self.fed else {}
        return {name: outputs[name].read() for name in self._untimed if name in outputs}

    def states(self) -> dict[str, Array]:
        """The values of the states, of caches the entries in use, for reading at once: the next run overwrites them."""
        return self._states.read(self.side, self.fed)

    def histories(self) -> Mapping[str, Array]:
        """The frames kept to be put in front of the next call, by input: for reading at once."""
        return self._overlaps.read(self.side)

    def put(
        self, fed: int, states: Mapping[str, Array], histories: Mapping[str, Array], finals: Mapping[str, Array]
    ) -> None:
        """Go to position ``fed`` with values that :meth:`states`, :meth:`histories` and :meth:`finals` gave there.

        Room for them was reserved. The caller calls the stream broken until this and its own part are done.
        """
        self._reached = max(self._used(), fed)
        self._states.put(self.side, fed, states, self._reached)
        self._overlaps.put(self.side, histories)
        self.fed, self._finals = fed, (fed, {name: value.copy() for name, value in finals.items()})
        self._tell_remaining(END_UNKNOWN)

    def go_back(self, fed: int) -> None:
        """Go back to position ``fed``, for states that are caches and positions only; ``broken`` as for :meth:`put`."""
        self._reached = self._used()
        self._states.put_positions(self.side, fed)
        self.fed, self._finals = fed, None

    def repeatable(self) -> Call | None:
        """The latest call, even one before the beginning, where it may be run again as it is."""
        return self._last if self._last is not None and self._calls.keeps(self._last) else None

    def begin(self) -> None:
        """Go to position 0 with initial states; caches keep their size."""
        self.broken = True
        used = self._used()
        self._states.begin(0, used)
        self._overlaps.begin(0)
        self.fed = 0
        self.side = 0
        self._reached = 0
        self._finals = None
        self._tell_remaining(END_UNKNOWN)
        self.broken = False

    def reserve(self, fed: int) -> None:
        """Make room in the caches for ``fed`` base frames in all, filler included."""
        wanted = fed - self._spare
        if not self._states.grows or wanted <= self._context:
            return
        context = self._context
        while context < wanted:
            context *= 2
        context = min(context, self.limit or context)
        self._calls.forget()  # first: an interrupt must not leave calls over states that have moved
        try:
            self._states.grow(self.side, context + self._spare)
        except MemoryError as error:
            raise ContextFull(
                "there is no memory for a longer context", where=f"position {self.fed}", why=str(error)
            ) from error
        LOGGER.debug("caches grow from room for %d base frames to %d", self._context, context)
        self._context = context

    def release(self) -> None:
        """Let go of every buffer and binding; the counts stay. Nothing but they may be asked for afterwards."""
        self._calls.release()
        self._states.release()
        self._overlaps.release()
        self._controls = ()
        self._last = None
        self._finals = None

    def feed(
        self,
        frames: Mapping[str, Array],
        base_frames: int,
        answer: Answer,
        total: int | None = None,
        applied: bool = False,
    ) -> None:
        """Run ``base_frames`` of ``frames`` through the graph, in as many calls as it takes.

        ``total`` is the number of real base frames of the whole stream, once it is known. ``applied``: a part of the
        same step was fed before.
        """
        offset = 0
        for size in split(self.fed, base_frames, self._largest, self._starts):
            try:
                call = self._calls.of(size)
            except engine_errors() as error:
                raise self.failed(error, applied or offset > 0) from error
            if self.fed in self._starts:
                self._states.restart(self.side, self.fed, self._used())
            self._reached = max(self._reached, self.fed + size)
            for port in self._ports:
                part = along(port.time_axis or 0, frames_of(port, offset), frames_of(port, offset + size))
                call.inputs[port.name].write(frames[port.name][part])
            if total is not None:
                self._tell_remaining(total - self.fed)
            try:
                self.run(call.handles[self.side], self.options)
                answer.take(call, self.fed)
            except engine_errors() as error:
                self._tell_remaining(END_UNKNOWN)
                raise self.failed(error, applied or offset > 0) from error
            except BaseException:
                self._tell_remaining(END_UNKNOWN)
                self.interrupted()
                raise
            self.side ^= 1
            self.fed += size
            self._last = call
            offset += size

    def bind(self, fast: Repeat, out: Any) -> tuple[Any, Any]:
        """Handles of a call that is repeated with ``out``: with it as the output if it comes again, else the usual."""
        call = self._last
        if not fast.again(out) or call is None or call.repeat is not fast:
            return fast.handles
        fast.bound, fast.bound_handles = None, fast.handles
        try:
            fast.bound_handles = self._calls.bound(call, out)
        except engine_errors() as error:
            raise self.failed(error, False) from error
        fast.bound = out
        return fast.bound_handles

    def repeats_until(self) -> int:
        """The position up to which the latest call may be repeated as it is: no start, no growth, no limit before."""
        room = self._context + self._spare if self._states.grows else _NEVER
        return min([self.limit or _NEVER, room, *(start for start in self._starts if start >= self.fed)])

    def failed(self, error: Exception, applied: bool) -> ProviderError:
        """What to raise when onnxruntime failed; ``applied``: earlier calls of the same step went through.

        A set of states is only read by the call that failed, so that nothing has changed, unless a state other than a
        cache lives in place, or an output stands for all frames so far: its value was in the buffer. What was written
        beyond a cache's position is overwritten by the next call.
        """
        self.broken = applied or self._fragile
        return ProviderError(
            "there is no memory for this call" if isinstance(error, MemoryError) else "onnxruntime failed",
            where=f"position {self.fed}",
            why=first_line(error),
            do="part of the step was applied: call reset()" if self.broken else "the stream is unchanged",
        )

    def interrupted(self) -> None:
        """Note that a run did not come to its end, or that what it made was not taken over."""
        self.broken = self.broken or self._fragile

    def _used(self) -> int:
        """Base frames for which a cache may hold entries, those of a call that failed included."""
        return max(self._reached, self.fed + (self._last.base_frames if self._last else 0))

    def _tell_remaining(self, base_frames: int) -> None:
        for control in self._controls:
            control.write(np.array(base_frames, dtype=np.int64))
