"""Calls over some of the rows of a shard: where every stream stands, what one run of onnxruntime takes and gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from edgeseq.contract import END_UNKNOWN, Contract, Port, resolve_shape
from edgeseq.runtime.budget import grows
from edgeseq.runtime.devices import Array
from edgeseq.runtime.pool.bindings import Bindings, Bound
from edgeseq.runtime.pool.held import Held
from edgeseq.runtime.pool.places import Piece, pieces, rounded
from edgeseq.runtime.pool.stores import batch_axis, in_front
from edgeseq.runtime.schedule import frames_of, unique_starts

#: Bytes per row that scratch for gathered rows may take, and how many rows are gathered at least and at most.
_SCRATCH, _GATHERED = 256, (16, 512)

_FED, _SIDE = 0, 1


class Rows:
    """The rows of one shard; ``fed[row]`` counts the base frames that a stream was fed.

    ``reached[row]``: base frames for which its caches may hold entries, those of calls that failed included.
    ``sliceable``: consecutive rows can be run as they lie.

    A call reads one side of the states and writes the other; only then, in one assignment, its rows turn to the other
    side and go forward in ``fed``. A call that fails or is interrupted has changed nothing. Caches live in place: what
    a failed call wrote lies beyond their end.
    """

    def __init__(self, contract: Contract, session: Any, held: Held) -> None:
        self._contract = contract
        self._held = held
        self._ports = contract.with_role("frame")
        self._outputs = contract.with_role("output")
        self._controls = contract.with_role("control")
        self._axes = {port.name: batch_axis(port.name, port.shape) for port in (*self._ports, *self._outputs)}
        self._read = {value.name for value in session.get_inputs()}
        self._bindings = Bindings(session)
        self._clock = np.zeros((2, held.count), np.int64)
        self.fed = self._clock[_FED]
        self.reached = np.zeros(held.count, np.int64)
        self.starts = unique_starts(state.start for state in contract.states)
        self._caches = any(grows(state) for state in contract.states)
        unread = held.given.keys() - self._read
        self.sliceable = all(store.sliceable for name, store in held.by_name.items() if name not in unread)
        moved = sum(store.row_bytes for store in held.two_sided)
        self._gathered = min(max(held.count * _SCRATCH // max(1, 2 * moved), _GATHERED[0]), _GATHERED[1])

    def begin(self, row: int) -> None:
        """Put a row at position 0 with initial states."""
        self._held.begin(row, int(self._clock[_SIDE, row]), int(self.reached[row]))
        self._clock[_FED, row] = self.reached[row] = 0

    def run(
        self,
        rows: Array,
        frames: Mapping[str, Array],
        base_frames: int,
        remaining: Array | None = None,
        out: Mapping[str, Array] | None = None,
        alone: bool = False,
    ) -> Iterator[tuple[slice, dict[str, Array]]]:
        """Run ``base_frames`` for ascending ``rows``, none of which crosses a start, a piece of them after the other.

        Yields which of them went through, and their outputs. ``frames`` are the inputs by name, a row for each along
        the batch axis, and so are the outputs; where all rows make one piece, they are in ``out`` if it is given.
        ``remaining`` is what the control input of that name gets. ``alone``: nothing may stand beside the one row.
        Raises what onnxruntime raises; every row is then as it was, or wholly through.
        """
        self._restart(rows)
        self._reach(rows, base_frames)
        for piece in pieces(rows, self.sliceable, self._caches, self._gathered):
            part = {name: array[self._rows(name, piece.chosen)] for name, array in frames.items()}
            left = None if remaining is None else remaining[piece.chosen]
            place = out if piece.chosen.stop - piece.chosen.start == len(rows) else None
            yield piece.chosen, self._run(piece, rows[piece.chosen], part, base_frames, left, place, alone)

    def again(
        self, first: int, last: int, frames: Mapping[str, Array], base_frames: int, out: dict[str, Array]
    ) -> None:
        """:meth:`run` for rows ``first`` to ``last``, all on one side and past every start; ``out`` is filled."""
        side = int(self._clock[_SIDE, first])
        self._reach(slice(first, last), base_frames)
        inputs = dict(frames)
        for port in self._controls:
            inputs[port.name] = np.full(last - first, END_UNKNOWN, np.int64)
        self._bindings.run(self._bindings.find((first, last, side)) or self._range(first, last), inputs, out)
        clock = self._clock[:, first:last]
        np.add(clock, [[base_frames], [1 - 2 * side]], out=clock)

    def _reach(self, rows: Array | slice, base_frames: int) -> None:
        if self._caches:
            self.reached[rows] = np.maximum(self.reached[rows], self.fed[rows] + base_frames)

    def _restart(self, rows: Array) -> None:
        for start in self.starts:
            there = rows[self.fed[rows] == start]
            if there.size:
                self._held.restart(there, self._clock[_SIDE, there], start)

    def _run(
        self,
        piece: Piece,
        rows: Array,
        frames: Mapping[str, Array],
        base_frames: int,
        remaining: Array | None,
        out: Mapping[str, Array] | None,
        alone: bool,
    ) -> dict[str, Array]:
        first, last = self._bounds(piece, alone)
        size = last - first if piece.ranged else (1 if alone else rounded(len(rows)))
        bound = self._range(first, last) if piece.ranged else self._scattered(rows, size)
        exact = size == len(rows)
        where: Any = slice(None) if exact else rows - first if piece.ranged else slice(0, len(rows))
        inputs = {port.name: self._input(port, frames[port.name], rows, where, size) for port in self._ports}
        for port in self._controls:
            inputs[port.name] = np.full(size, END_UNKNOWN, np.int64)
            inputs[port.name][where] = END_UNKNOWN if remaining is None else remaining
        direct = exact and out is not None and all(array.flags.c_contiguous for array in out.values())
        results = out if out is not None and direct else self._results(size, base_frames)
        self._bindings.run(bound, inputs, results)
        self._commit(piece, rows, bound, inputs, where, base_frames)
        made = {name: array if exact else array[self._rows(name, where)] for name, array in results.items()}
        if out is None or direct:
            return made
        for name, array in made.items():
            out[name][...] = array
        return dict(out)

    def _commit(
        self, piece: Piece, rows: Array, bound: Bound, inputs: Mapping[str, Array], where: Any, base_frames: int
    ) -> None:
        """Write what a call gave to the other side where it is not there yet, then turn to it."""
        after = np.empty((2, len(rows)), np.int64)
        after[_FED] = self.fed[rows] + base_frames
        after[_SIDE] = 1 - self._clock[_SIDE, rows]
        places = after[_SIDE] * self._held.count + rows
        if not piece.ranged:
            for state in self._contract.states:
                self._held.states[state.name].scatter(places, bound.tensors[state.output])
        for port in self._ports:
            if port.overlap:
                given = np.moveaxis(inputs[port.name], self._axes[port.name], 0)
                self._held.histories[port.name].array[places] = given[(where, *in_front(port, -port.overlap, None))]
        self._clock[:, rows] = after

    def _bounds(self, piece: Piece, alone: bool) -> tuple[int, int]:
        """The range that is run: never one row, whose last bits would differ, unless it has to be."""
        first, last = piece.first, piece.last
        if last - first == 1 and not alone and not self._caches and self.sliceable:
            return (first, last + 1) if last < self._held.count else (first - 1, last)
        return first, last

    def _range(self, first: int, last: int) -> Bound:
        """The rows from ``first`` to ``last`` as they lie, all brought to one side."""
        sides = self._clock[_SIDE, first:last]
        side = int(sides[0]) if len(sides) < 3 else int(2 * np.count_nonzero(sides) > len(sides))
        turned = np.flatnonzero(sides != side) + first
        if turned.size:
            self._held.turn(turned, side)
            self._clock[_SIDE, turned] = side
        key = (first, last, side)
        found = self._bindings.find(key)
        if found is not None:
            return found
        fixed, results, count = dict(self._held.shared), {}, self._held.count
        for state in self._contract.states:
            store, cache = self._held.states[state.name], grows(state)
            here, there = (0, 0) if cache else (side * count, (1 - side) * count)
            fixed[state.input] = store.slice(here + first, here + last)
            results[state.output] = store.slice(there + first, there + last)
        fixed |= {name: store.slice(first, last) for name, store in self._held.given.items() if name in self._read}
        return self._bindings.keep(key, self._that_are_read(fixed), results)

    def _scattered(self, rows: Array, size: int) -> Bound:
        """Scratch for ``size`` rows, what ``rows`` hold copied in."""
        bound = self._bindings.find(size)
        held = self._held
        if bound is None:
            fixed, results = dict(held.shared), {}
            for state in self._contract.states:
                fixed[state.input] = held.states[state.name].empty(size)
                results[state.output] = held.states[state.name].empty(size)
            fixed |= {name: store.empty(size) for name, store in held.given.items()}
            bound = self._bindings.keep(size, self._that_are_read(fixed), results)
        places = self._places(rows)
        for state in self._contract.states:
            held.states[state.name].gather(places, bound.tensors[state.input])
        for name, store in held.given.items():
            if name in self._read:
                store.gather(rows, bound.tensors[name])
        return bound

    def _that_are_read(self, fixed: Mapping[str, Array]) -> dict[str, Array]:
        return {name: array for name, array in fixed.items() if name in self._read}

    def _input(self, port: Port, frames: Array, rows: Array, where: Any, size: int) -> Array:
        """What the graph is given for a port: the frames themselves where they are all of it and lie in one piece."""
        if size == len(rows) and not port.overlap and frames.flags.c_contiguous:
            return frames
        axis, time = self._axes[port.name], port.time_axis or 0
        shape = list(frames.shape)
        shape[axis], shape[time] = size, shape[time] + port.overlap
        made = np.zeros(shape, frames.dtype)
        np.moveaxis(made, axis, 0)[(where, *in_front(port, port.overlap, None))] = np.moveaxis(frames, axis, 0)
        if port.overlap:
            history = self._held.histories[port.name].array[self._places(rows)]
            np.moveaxis(made, axis, 0)[(where, *in_front(port, 0, port.overlap))] = history
        return made

    def _places(self, rows: Array) -> Array:
        return self._clock[_SIDE, rows] * self._held.count + rows  # type: ignore[no-any-return]

    def _results(self, size: int, base_frames: int) -> dict[str, Array]:
        return {port.name: self._empty(port, size, base_frames) for port in self._outputs}

    def _empty(self, port: Port, rows: int, base_frames: int) -> Array:
        sizes = {**self._held.sizes, "batch": rows, "time": frames_of(port, base_frames)}
        return np.empty(resolve_shape(port.shape, sizes), np.dtype(port.dtype))

    def _rows(self, name: str, where: Any) -> tuple[Any, ...]:
        """The index of some rows of a tensor."""
        return (*(slice(None),) * self._axes[name], where)
