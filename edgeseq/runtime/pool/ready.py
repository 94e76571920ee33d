"""The frames that a tick makes ready: how many each stream gets, and its rows filled call by call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeseq.contract import Port, resolve_shape
from edgeseq.runtime.devices import Array
from edgeseq.runtime.inputs import check_out
from edgeseq.runtime.pool.stores import batch_axis, in_front
from edgeseq.runtime.schedule import frames_of


def given(port: Port, fed: Array) -> Array:
    """Real frames of an output that streams have had after ``fed`` base frames each: int64, as many as ``fed``."""
    frames: Array = frames_of(port, fed) - port.delay
    return np.maximum(frames, 0)


class Ready:
    """Frames ``first[name]`` up to ``last[name]`` of every output with a time axis, for each of some streams.

    ``counts`` are int64[rows], by output. The rows of the arrays stand along their batch axis, and there is room for
    the most frames that one of them gets.
    """

    def __init__(
        self,
        ports: tuple[Port, ...],
        sizes: Mapping[str, int],
        first: Mapping[str, Array],
        last: Mapping[str, Array],
        rows: int,
        out: Mapping[str, Array] | None,
    ) -> None:
        """ShapeError where an array of ``out`` does not fit."""
        self._ports = ports
        self._sizes = {**sizes, "batch": rows}
        self._first, self._last = first, last
        self._rows = rows
        self.counts = {name: np.maximum(last[name] - first[name], 0) for name in first}
        self._most = {name: int(counts.max()) for name, counts in self.counts.items()}
        self._out = out is not None
        self._arrays: dict[str, Array] = {}
        for port in ports if out is not None else ():
            self._arrays[port.name] = check_out(port.name, out[port.name], np.dtype(port.dtype), self._shape(port))  # type: ignore[index]

    def array(self, port: Port) -> Array:
        """The rows of an output."""
        if port.name not in self._arrays:
            self._arrays[port.name] = np.zeros(self._shape(port), port.dtype)
        return self._arrays[port.name]

    def room(self, places: Array, fed: Array, base_frames: int) -> dict[str, Array] | None:
        """The caller's own arrays, where a call for these rows may write to them itself."""
        if not self._out or not all(self._whole(port, places, fed, base_frames) for port in self._ports):
            return None
        return dict(self._arrays)

    def take(self, places: Array, fed: Array, base_frames: int, results: Mapping[str, Array]) -> None:
        """Take what belongs to this answer out of a call for the rows at ``places``, each fed ``fed`` before it."""
        for port in self._ports:
            if results[port.name] is self._arrays.get(port.name):
                continue
            if port.name not in self._arrays and self._whole(port, places, fed, base_frames):
                self._arrays[port.name] = results[port.name]
            elif port.time_axis is not None:
                self._take_frames(port, places, fed, base_frames, results[port.name])

    def settle(self, name: str, places: Array, values: Array) -> None:
        """Set an output without a time axis at some places; the rows of ``values`` stand in front."""
        port = next(port for port in self._ports if port.name == name)
        self._in_front(port, self.array(port))[places] = values

    def _shape(self, port: Port) -> tuple[int, ...]:
        return resolve_shape(port.shape, {**self._sizes, "time": self._most.get(port.name, 0)})

    def _whole(self, port: Port, places: Array, fed: Array, base_frames: int) -> bool:
        """Whether all that a call gives of an output is all that is wanted of it."""
        if len(places) < self._rows:
            return False
        if port.time_axis is None:
            return True
        frames = frames_of(port, base_frames)
        return frames == self._most[port.name] and bool(
            (self.counts[port.name] == frames).all()
            and (frames_of(port, fed) == self._first[port.name] + port.delay).all()
        )

    def _take_frames(self, port: Port, places: Array, fed: Array, base_frames: int, result: Array) -> None:
        # A row of the call holds the carried frames [carried, carried + n); wanted are [first, last) + delay.
        carried = frames_of(port, fed)
        wanted = self._first[port.name][places] + port.delay
        begin = np.maximum(wanted, carried)
        end = np.minimum(self._last[port.name][places] + port.delay, carried + frames_of(port, base_frames))
        spans = np.stack([begin - wanted, begin - carried, end - begin], axis=1)
        source, target = self._in_front(port, result), self._in_front(port, self.array(port))
        alike, which = np.unique(spans, axis=0, return_inverse=True)
        for number, (there, here, count) in enumerate(alike.tolist()):
            if count > 0:
                some = np.flatnonzero(which.reshape(-1) == number)
                frames = source[(some, *in_front(port, here, here + count))]
                target[(places[some], *in_front(port, there, there + count))] = frames

    def _in_front(self, port: Port, array: Array) -> Array:
        return np.moveaxis(array, batch_axis(port.name, port.shape), 0)

    def by_row(self, port: Port) -> Any:
        """An output as its caller gets it: the array, or a list where rows have different numbers of frames."""
        counts = self.counts.get(port.name)
        if counts is None or (counts == self._most[port.name]).all():
            return self.array(port)
        return self.rows(port)

    def rows(self, port: Port) -> list[Array]:
        """One array for each row, without a batch axis."""
        rows, counts = self._in_front(port, self.array(port)), self.counts.get(port.name)
        if counts is None:
            return list(rows)
        return [row[in_front(port, 0, count)] for row, count in zip(rows, counts.tolist(), strict=True)]
