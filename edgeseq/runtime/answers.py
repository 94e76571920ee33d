"""What one ``step`` or ``flush`` returns: allocated or checked before anything runs, filled call by call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeseq.contract import Port, resolve_shape
from edgeseq.errors import ShapeError
from edgeseq.runtime.calls import Call
from edgeseq.runtime.devices import Array
from edgeseq.runtime.inputs import check_names, check_out
from edgeseq.runtime.schedule import along, frames_of
from edgeseq.runtime.states import zeros

Answers = Array | dict[str, Array]


class Answer:
    """The arrays of one answer: frames ``first[name]`` up to ``last[name]`` of every output with a time axis."""

    def __init__(
        self,
        ports: tuple[Port, ...],
        sizes: Mapping[str, int],
        first: Mapping[str, int],
        last: Mapping[str, int],
        out: object = None,
    ) -> None:
        """ShapeError where ``out`` (an array, or a dict of them for several outputs) does not fit."""
        self._ports = ports
        self._out = out
        self._first = first
        self._last = last
        shapes = {}
        for port in ports:
            ready = max(0, last[port.name] - first[port.name]) if port.name in first else 0
            shapes[port.name] = resolve_shape(port.shape, {**sizes, "time": ready})
        if out is None:
            self.arrays = {port.name: zeros(shapes[port.name], np.dtype(port.dtype)) for port in ports}
        else:
            given = out_by_name(out, ports)
            self.arrays = {
                port.name: check_out(port.name, given[port.name], np.dtype(port.dtype), shapes[port.name])
                for port in ports
            }

    def take(self, call: Call, fed: int) -> None:
        """Copy what belongs to this answer out of a call that ran with ``fed`` base frames before it."""
        for port in self._ports:
            if port.time_axis is None:
                continue
            # In carried frames: the buffer holds [carried, carried + n), the answer wants [first, last) + delay.
            carried = frames_of(port, fed)
            wanted = self._first[port.name] + port.delay
            begin = max(wanted, carried)
            end = min(self._last[port.name] + port.delay, carried + frames_of(port, call.base_frames))
            if begin < end:
                target = self.arrays[port.name][along(port.time_axis, begin - wanted, end - wanted)]
                target[...] = call.outputs[port.name].read()[along(port.time_axis, begin - carried, end - carried)]

    def settle(self, finals: Mapping[str, Array]) -> None:
        """Fill the outputs without a time axis with their values after the latest call; zeros while there was none."""
        for port in self._ports:
            if port.time_axis is None:
                self.arrays[port.name][...] = finals.get(port.name, 0)

    @property
    def value(self) -> Answers:
        """What ``out`` was, else the one array, or a dict by name."""
        if self._out is not None:
            return self._out  # type: ignore[return-value]  # its arrays were checked one by one
        return self.arrays if len(self._ports) > 1 else self.arrays[self._ports[0].name]


def out_by_name(out: object, ports: tuple[Port, ...]) -> Mapping[str, Any]:
    """The arrays to fill, by output; ShapeError where they do not name all of them."""
    if len(ports) == 1 and not isinstance(out, Mapping):
        return {ports[0].name: out}
    if not isinstance(out, Mapping):
        raise ShapeError("out must be a dict for a model with several outputs", got=type(out).__name__)
    check_names(out, ports, "the names in out")
    return out
