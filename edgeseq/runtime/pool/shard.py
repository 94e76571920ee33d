"""The streams of one thread: frames in for some of them, the frames that are ready out, wherever each one stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeseq.contract import Contract, Port, resolve_shape
from edgeseq.runtime.devices import Array
from edgeseq.runtime.engine import engine_errors
from edgeseq.runtime.pool.held import Held
from edgeseq.runtime.pool.ready import Ready, given
from edgeseq.runtime.pool.rows import Rows
from edgeseq.runtime.pool.stores import batch_axis, in_front
from edgeseq.runtime.schedule import along, fed_at_end, frames_of, largest_call, lengths_at_end

#: What a row is: free for a new stream, in use, flushed, or left half way through a step by a failure.
FREE, OPEN, ENDED, BROKEN = range(4)


_NOBODY = np.zeros(0, np.int64)


class Failure(Exception):
    """A tick that failed in a shard: ``applied`` are the places of those whose answers are in ``ready``."""

    def __init__(self, error: Exception, ready: Ready | None = None, applied: Array = _NOBODY) -> None:
        super().__init__(error)
        self.error, self.ready, self.applied = error, ready, applied


class Shard:
    """Rows of streams; all methods take rows in ascending order, and are for one thread at a time.

    ``state`` is int8[rows], ``waiting`` the base frames that wait, ``totals`` those of streams that have ended, int64.
    ``lost``: nobody runs it any more.
    """

    def __init__(self, contract: Contract, session: Any, held: Held) -> None:
        self._contract = contract
        self._held = held
        self._ports = contract.with_role("frame")
        self._outputs = contract.with_role("output")
        self._timed = tuple(port for port in self._outputs if port.time_axis is not None)
        self._multiple = contract.chunk.multiple
        self._alone, self._together = (largest_call(contract.chunk, batch) for batch in (1, 2))
        self._rows = Rows(contract, session, held)
        self._axes = {port.name: batch_axis(port.name, port.shape) for port in (*self._ports, *self._outputs)}
        self.state = np.zeros(held.count, np.int8)
        self.totals = np.zeros(held.count, np.int64)
        self.lost = False
        self.waiting = np.zeros(held.count, np.int64)
        self._kept = {port.name: self._zeros(port, self._multiple - 1) for port in self._ports}
        self._summaries = {port.name: self._zeros(port, 0) for port in self._outputs if port.time_axis is None}

    def _zeros(self, port: Port, base_frames: int) -> Array:
        """One tensor of a port for every row, the rows in front."""
        sizes = {**self._held.sizes, "batch": self._held.count, "time": frames_of(port, base_frames)}
        shape = resolve_shape(port.shape, sizes)
        return np.moveaxis(np.zeros(shape, port.dtype), batch_axis(port.name, port.shape), 0)

    @property
    def nbytes(self) -> int:
        """Bytes held for rows, in use or not."""
        arrays = (*self._kept.values(), *self._summaries.values(), self.state, self.waiting, self.totals)
        return self._held.nbytes + sum(array.nbytes for array in arrays) + 3 * self.fed.nbytes

    @property
    def fed(self) -> Array:
        """Base frames that each row was fed; for reading only."""
        fed: Array = self._rows.fed
        return fed

    def open(self, row: int, conditioning: Mapping[str, Array]) -> None:
        """Begin a stream in a free row."""
        self._held.give(row, conditioning)
        self.reset(row)

    def reset(self, row: int) -> None:
        """Begin anew, with the same conditioning."""
        self.state[row] = BROKEN  # until it is done, should it be interrupted
        self._begin(row)
        self.state[row] = OPEN

    def lose(self) -> None:
        """End every stream: the thread that ran them is gone."""
        self.lost = True
        self.state[self.state != FREE] = BROKEN

    def _begin(self, row: int) -> None:
        self.waiting[row] = 0
        for summary in self._summaries.values():
            summary[row] = 0
        self._rows.begin(row)

    def close(self, row: int) -> None:
        """Zero a row and free it."""
        self.state[row] = BROKEN
        self._held.wipe(row, int(self._rows.reached[row]))
        self._begin(row)
        for kept in self._kept.values():
            kept[row] = 0
        self.state[row] = FREE

    def step(
        self, rows: Array, frames: Mapping[str, Array], counts: Array, out: Mapping[str, Array] | None = None
    ) -> Ready:
        """Take ``counts`` base frames of ``frames`` for each row. Raises Failure where onnxruntime fails."""
        fed = self.fed[rows]
        due = self.due(rows, counts)
        ready = Ready(self._outputs, self._held.sizes, self.given(fed), self.given(fed + due), len(rows), out)
        self._advance(rows, frames, counts, due, ready, np.arange(len(rows)))
        return ready

    def flush(self, rows: Array) -> Ready:
        """What is still owed to each row, which then takes no more frames; before, ShapeError for a length refused.

        Raises Failure where onnxruntime fails.
        """
        fed = self.fed[rows]
        totals = fed + self.waiting[rows]
        lengths = [lengths_at_end(self._contract, total) for total in totals.tolist()]
        pairs = zip(totals.tolist(), fed.tolist(), strict=True)
        ends = np.array([fed_at_end(self._contract, total, done) if total else 0 for total, done in pairs], np.int64)
        last = {port.name: np.array([length[port.name] for length in lengths], np.int64) for port in self._timed}
        ready = Ready(self._outputs, self._held.sizes, self.given(fed), last, len(rows), None)
        owed = np.flatnonzero(ends > fed)
        self.totals[rows] = totals
        if owed.size:
            filler = (ends - totals)[owed]
            frames = {port.name: self._filler(port, len(owed), int(filler.max())) for port in self._ports}
            self._advance(rows[owed], frames, filler, (ends - fed)[owed], ready, owed, totals[owed])
        self._tell(rows, ready, np.arange(len(rows)))
        return ready

    def expect(self, rows: Array, counts: Array) -> dict[str, Array]:
        """Frames of every output with a time axis that a step of ``counts`` base frames returns for each row."""
        fed = self.fed[rows]
        before, after = self.given(fed), self.given(fed + self.due(rows, counts))
        return {name: after[name] - before[name] for name in after}

    def due(self, rows: Array, counts: Array) -> Array:
        """Base frames that go to the graph when the rows take ``counts`` more: whole multiples."""
        if self._multiple == 1:
            return counts
        return (self.waiting[rows] + counts) // self._multiple * self._multiple

    def given(self, fed: Array) -> dict[str, Array]:
        """Frames of every output with a time axis that streams have had after ``fed`` base frames."""
        return {port.name: given(port, fed) for port in self._timed}

    def _filler(self, port: Port, rows: int, base_frames: int) -> Array:
        sizes = {**self._held.sizes, "batch": rows, "time": frames_of(port, base_frames)}
        return np.zeros(resolve_shape(port.shape, sizes), port.dtype)

    def _advance(
        self,
        rows: Array,
        frames: Mapping[str, Array],
        counts: Array,
        due: Array,
        ready: Ready,
        places: Array,
        totals: Array | None = None,
    ) -> None:
        """Feed ``due`` base frames to each row, whose place in ``ready`` is in ``places``; the rest waits.

        ``totals``: base frames of the whole stream, once they are known.
        """
        waited, through = self.waiting[rows], np.zeros(len(rows), bool)
        try:
            for chosen in _alike(waited, counts):
                left = None if totals is None else totals[chosen]
                joined = self._joined(rows[chosen], frames, chosen, int(waited[chosen[0]]), int(counts[chosen[0]]))
                self._feed(rows[chosen], joined, int(due[chosen[0]]), ready, places[chosen], left)
                self._keep(rows[chosen], joined, int(due[chosen[0]]), int((waited + counts - due)[chosen[0]]))
                self._tell(rows[chosen], ready, places[chosen])
                through[chosen] = True
        except engine_errors() as error:
            raise Failure(error, ready, places[through]) from error

    def _feed(
        self, rows: Array, frames: Mapping[str, Array], due: int, ready: Ready, places: Array, totals: Array | None
    ) -> None:
        """Feed the first ``due`` base frames of ``frames`` to all rows, in as many calls as it takes."""
        done = np.zeros(len(rows), np.int64)
        alone = self._together is not None and due > self._together
        while (left := due - done).any():
            sizes = self._sizes(rows, left, self._alone if alone else self._together)
            for chosen in _alike(sizes, done):
                size, offset = int(sizes[chosen[0]]), int(done[chosen[0]])
                for some in () if not size else np.split(chosen, len(chosen)) if alone else (chosen,):
                    part = {port.name: self._part(port, frames[port.name], some, offset, size) for port in self._ports}
                    ends = None if totals is None else totals[some]
                    self._call(rows[some], part, size, ready, places[some], ends, alone)
            done += sizes

    def _call(
        self,
        rows: Array,
        frames: Mapping[str, Array],
        size: int,
        ready: Ready,
        places: Array,
        totals: Array | None,
        alone: bool,
    ) -> None:
        fed = self.fed[rows]
        remaining = None if totals is None else totals - fed
        out = ready.room(places, fed, size)
        for some, results in self._rows.run(rows, frames, size, remaining, out, alone):
            for name, summary in self._summaries.items():
                summary[rows[some]] = np.moveaxis(results[name], self._axes[name], 0)
            ready.take(places[some], fed[some], size, results)

    def position(self, rows: Array) -> Array:
        """Where rows stand, int64[2, rows]: base frames fed, and that wait."""
        return np.stack([self.fed[rows], self.waiting[rows]])

    def steady(self, rows: Array, count: int) -> Rows | None:
        """The rows, where the step of ``count`` base frames that was just done took one call over rows as they lie.

        Then the next one will. None where anything would have to be looked at again.
        """
        first, last = int(rows[0]), int(rows[-1]) + 1
        begun = int(self.fed[rows].min()) - count
        settled = all(begun >= start for start in self._rows.starts)
        settled = settled and all(frames_of(port, begun) >= port.delay for port in self._timed)
        plain = len(self._ports) == 1 and not self._ports[0].overlap and not self._summaries
        fits = count % self._multiple == 0 and (self._together is None or count <= self._together)
        if not (settled and plain and fits) or last - first != len(rows) or len(rows) < 2 or self.waiting[rows].any():
            return None
        return self._rows if self._rows.sliceable else None

    def _sizes(self, rows: Array, left: Array, largest: int | None) -> Array:
        """Base frames of the next call of each row: none too large, none across a start."""
        sizes = left if largest is None else np.minimum(left, largest)
        for start in self._rows.starts:
            before = start - self.fed[rows]
            sizes = np.where(before > 0, np.minimum(sizes, before), sizes)
        return sizes

    def _joined(
        self, rows: Array, frames: Mapping[str, Array], chosen: Array, waiting: int, count: int
    ) -> dict[str, Array]:
        """The frames that wait and the ``count`` that come, of the rows ``chosen``."""
        joined = {port.name: self._part(port, frames[port.name], chosen, 0, count) for port in self._ports}
        if not waiting:
            return joined
        return {
            port.name: np.concatenate([self._waiting(port, rows, waiting), joined[port.name]], port.time_axis or 0)
            for port in self._ports
        }

    def _waiting(self, port: Port, rows: Array, count: int) -> Array:
        kept = self._kept[port.name][(rows, *in_front(port, 0, frames_of(port, count)))]
        return np.moveaxis(kept, 0, self._axes[port.name])

    def _keep(self, rows: Array, joined: Mapping[str, Array], due: int, rest: int) -> None:
        """Let what was not fed wait."""
        if self._multiple == 1:
            return
        for port in self._ports:
            tail = joined[port.name][along(port.time_axis or 0, frames_of(port, due), None)]
            kept = np.moveaxis(tail, self._axes[port.name], 0)
            self._kept[port.name][(rows, *in_front(port, 0, frames_of(port, rest)))] = kept
        self.waiting[rows] = rest

    def _part(self, port: Port, frames: Array, rows: Array, offset: int, size: int) -> Array:
        """Some base frames of some rows, without a copy where that is all of them."""
        axis, time = self._axes[port.name], port.time_axis or 0
        if len(rows) < frames.shape[axis]:
            frames = np.take(frames, rows, axis)
        first, last = frames_of(port, offset), frames_of(port, offset + size)
        return frames if (first, last) == (0, frames.shape[time]) else frames[along(time, first, last)]

    def _tell(self, rows: Array, ready: Ready, places: Array) -> None:
        """The outputs without a time axis, as they are now, to the places of these rows."""
        for name, summary in self._summaries.items():
            ready.settle(name, places, summary[rows])


def _alike(first: Array, second: Array) -> list[Array]:
    """The indices of equal pairs, together."""
    if (first == first[0]).all() and (second == second[0]).all():
        return [np.arange(len(first))]
    _, which = np.unique(np.stack([first, second], axis=1), axis=0, return_inverse=True)
    order = np.argsort(which.reshape(-1), kind="stable")
    edges = np.flatnonzero(np.diff(which.reshape(-1)[order])) + 1
    return np.split(order, edges)
