"""Frames of earlier calls in front of every call: the ``overlap`` of a frame port.

A stream keeps the last ``overlap`` frames that each such input was fed, zeros where there were none. They take turns
between two sides, as the states do, so that a call counts for both or for neither::

    history  |a b|           overlap = 2
    call     |a b|c d e|     what the graph is given
    history  |d e|           after the call, if it went through

The history is the client's state: it lies in numpy arrays on every device, as the frames do when they arrive.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgeseq.contract import Axis, Contract, Port, resolve_shape
from edgeseq.runtime.devices import Array, Buffer, Device, Staged, host_value
from edgeseq.runtime.schedule import along
from edgeseq.runtime.states import zeros

Index = tuple[slice, ...]


def history_shape(port: Port) -> tuple[Axis, ...]:
    """The shape of what is kept of an input: that of the port with ``overlap`` frames."""
    axis = port.time_axis or 0
    return (*port.shape[:axis], port.overlap, *port.shape[axis + 1 :])


def front(port: Port) -> Index:
    """Where the history lies in the array of a call."""
    return along(port.time_axis or 0, 0, port.overlap)


def fresh(port: Port) -> Index:
    """Where the new frames lie in the array of a call."""
    return along(port.time_axis or 0, port.overlap, None)


def tail(port: Port) -> Index:
    """What of the array of a call is the history of the next one."""
    return along(port.time_axis or 0, -port.overlap, None)


class Overlapped(Staged):
    """The input of one size of call, history in front; ``array`` and :meth:`write` are the new frames alone."""

    __slots__ = ("_fresh", "_front", "_history", "_memory", "_tail")

    def __init__(self, port: Port, history: Array, memory: Array, device: Device) -> None:
        """``memory`` is what the graph is given, laid out by the caller; on a GPU it is copied there in every call.

        ``history`` holds both sides along its first axis.
        """
        value = host_value(memory) if device.shares_memory else device.value_of(memory)
        Buffer.__init__(self, value, memory[fresh(port)], memory.shape, memory.dtype)
        self._memory = memory
        self._history = history
        self._front, self._fresh, self._tail = memory[front(port)], memory[fresh(port)], memory[tail(port)]

    @property
    def memory(self) -> Array:
        """The history and the new frames in one piece."""
        return self._memory

    @property
    def staging(self) -> Array:
        """The same: what is copied to a device."""
        return self._memory

    def write(self, source: Array) -> None:
        """Copy the new frames in."""
        self._fresh[...] = source

    def before(self, side: int) -> None:
        """Put the history of ``side`` in front."""
        self._front[...] = self._history[side]

    def after(self, side: int) -> None:
        """Keep the last frames for the next call, on the other side than ``side``."""
        self._history[1 - side] = self._tail


class Overlaps:
    """The histories of one stream, by input; ``histories`` is empty for a model without overlap.

    Each has two sides along its first axis. The caller keeps the one that holds the current frames.
    """

    def __init__(self, contract: Contract, sizes: Mapping[str, int]) -> None:
        self.histories: dict[str, Array] = {
            port.name: zeros((2, *resolve_shape(history_shape(port), sizes)), np.dtype(port.dtype))
            for port in contract.with_role("frame")
            if port.overlap
        }

    @property
    def nbytes(self) -> int:
        """Bytes of all histories."""
        return sum(history.nbytes for history in self.histories.values())

    def begin(self, side: int) -> None:
        """Go back to the start of a stream: zeros in front of its first frame."""
        for history in self.histories.values():
            history[side] = 0

    def read(self, side: int) -> dict[str, Array]:
        """The frames in ``side``; the very memory."""
        return {name: history[side] for name, history in self.histories.items()}

    def put(self, side: int, values: Mapping[str, Array]) -> None:
        """Go on with what :meth:`read` gave, in another stream or at another time."""
        for name, history in self.histories.items():
            history[side] = values[name]

    def release(self) -> None:
        """Let go of the histories."""
        self.histories = {}

    def place(self, port: Port, array: Array, device: Device) -> Buffer:
        """A buffer over ``array`` for the calls of one size, history included where the port overlaps."""
        if port.name not in self.histories:
            return device.stage(array)
        return Overlapped(port, self.histories[port.name], array, device)

    def handle(self, handle: Any, inputs: Mapping[str, Buffer], side: int) -> Any:
        """What :meth:`runner`'s function takes in place of a bare ``handle`` over ``inputs`` that reads ``side``."""
        if not self.histories:
            return handle
        return handle, side, [buffer for buffer in inputs.values() if isinstance(buffer, Overlapped)]

    def runner(self, run: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
        """``run`` with the histories put in front and renewed; a run that fails renews nothing."""
        return _overlapping(run) if self.histories else run


def _overlapping(run: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    def run_overlapping(handle: Any, options: Any) -> None:
        inner, side, buffers = handle
        for buffer in buffers:
            buffer.before(side)
        run(inner, options)
        for buffer in buffers:
            buffer.after(side)

    return run_overlapping
