"""What the streams of a shard hold between calls, a row each: states, frames of earlier calls, conditioning."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from edgeseq.contract import Contract, State
from edgeseq.runtime.budget import grows
from edgeseq.runtime.devices import Array
from edgeseq.runtime.overlap import history_shape
from edgeseq.runtime.pool.stores import Store, batch_axis, has_batch
from edgeseq.runtime.schedule import spare
from edgeseq.runtime.states import entries, initial_array


class Held:
    """The stores of ``count`` rows: ``states`` (caches have one side, all others two), ``histories``, ``given``.

    ``given`` is conditioning that each stream has of its own, ``shared`` what all have in common.
    """

    def __init__(
        self,
        contract: Contract,
        count: int,
        context: int | None,
        sizes: Mapping[str, int],
        shared: Mapping[str, Array],
    ) -> None:
        """``context``: base frames that caches have room for; ``sizes``: the named axes of conditioning."""
        self._contract = contract
        self._room = 0 if context is None else context + spare(contract) + contract.chunk.multiple
        self.count = count
        self.sizes = dict(sizes)
        self.shared = dict(shared)
        self.states = {state.name: self._store(state, sizes) for state in contract.states}
        self.histories = {
            port.name: Store(port.name, history_shape(port), port.dtype, count, 2, sizes)
            for port in contract.with_role("frame")
            if port.overlap
        }
        self.given = {
            port.name: Store(port.name, port.shape, port.dtype, count, 1, sizes)
            for port in (*contract.with_role("conditioning"), *contract.with_role("constant"))
            if has_batch(port.shape)
        }
        self._initials: dict[str, Array] = {
            state.name: initial_array(state, {}, {}) for state in contract.states if not _is_given(state)
        }
        self._own: dict[str, Array] = {}
        for state in contract.states:
            initial = self._initials.get(state.name)
            if initial is not None and grows(state) and initial.any():
                self._write(state, slice(None), initial)

    def _store(self, state: State, sizes: Mapping[str, int]) -> Store:
        cache = grows(state)
        known = {**sizes, "capacity": entries(state, self._room)} if cache else sizes
        return Store(state.name, state.shape, state.dtype, self.count, 1 if cache else 2, known)

    @property
    def by_name(self) -> dict[str, Store]:
        """All of them; a state is called ``state NAME``, since an input may have its name."""
        states = {f"state {name}": store for name, store in self.states.items()}
        return {**states, **{f"history {name}": store for name, store in self.histories.items()}, **self.given}

    @property
    def nbytes(self) -> int:
        """Bytes of all rows, in use or not."""
        return sum(store.array.nbytes for store in self.by_name.values()) + sum(
            array.nbytes for array in self._own.values()
        )

    @property
    def two_sided(self) -> Iterator[Store]:
        """The stores with a side to read and a side to write."""
        yield from (self.states[state.name] for state in self._contract.states if not grows(state))
        yield from self.histories.values()

    def give(self, row: int, conditioning: Mapping[str, Array]) -> None:
        """Take the conditioning of a row, and what states start from by it."""
        for name, store in self.given.items():
            store.scatter(np.array([row]), conditioning[name])
        for state in self._contract.states:
            if _is_given(state):
                initial = self._in_front(state, initial_array(state, conditioning, {**self.sizes, "batch": 1}))
                shape = (self.count, *self.states[state.name].array.shape[1:])
                own = self._own.setdefault(state.name, np.zeros(shape, state.dtype))
                own[row] = initial[0]

    def begin(self, row: int, side: int, used: int) -> None:
        """Give every state of a row its initial value, on one side; ``used``: base frames that caches hold."""
        for state in self._contract.states:
            self._begin(state, np.array([row]), side, used)
        for history in self.histories.values():
            history.array[side * self.count + row] = 0

    def restart(self, rows: Array, sides: Array, start: int) -> None:
        """Write the initial value of every state that starts at this base frame."""
        for state in self._contract.states:
            if state.start == start:
                self._begin(state, rows, sides, start)

    def _begin(self, state: State, rows: Array, sides: Array | int, used: int) -> None:
        own = self._own.get(state.name)
        initial = self._in_front(state, self._initials[state.name]) if own is None else own[rows]
        if grows(state):
            for row in rows.tolist():
                self._write(state, slice(row, row + 1), initial, used)
        else:
            self.states[state.name].array[sides * self.count + rows] = initial

    def _write(self, state: State, rows: slice, initial: Array, used: int | None = None) -> None:
        """Write to the first entries of a cache, to all of them without ``used``."""
        array = self.states[state.name].array
        axis = self._capacity_axis(state)
        last = None if used is None else entries(state, used + self._contract.chunk.multiple)
        array[(rows, *(slice(None),) * (axis - 1), slice(last))] = initial

    def _capacity_axis(self, state: State) -> int:
        """Where the entries of a cache are once the batch stands in front."""
        axis = state.shape.index("capacity")
        return axis if axis > batch_axis(state.name, state.shape) else axis + 1

    def _in_front(self, state: State, initial: Array) -> Array:
        return np.moveaxis(initial, batch_axis(state.name, state.shape), 0)

    def wipe(self, row: int, used: int) -> None:
        """Zero all that a row holds; ``used``: base frames that caches hold."""
        for state in self._contract.states:
            if grows(state):
                self._write(state, slice(row, row + 1), np.zeros((), state.dtype), used)
        for store in self.two_sided:
            store.array[row :: self.count] = 0
        for store in self.given.values():
            store.array[row] = 0
        for own in self._own.values():
            own[row] = 0

    def turn(self, rows: Array, side: int) -> None:
        """Copy what ``rows`` hold on the other side to this one."""
        for store in self.two_sided:
            store.array[side * self.count + rows] = store.array[(1 - side) * self.count + rows]


def _is_given(state: State) -> bool:
    return state.initial.kind in ("conditioning", "prologue")
