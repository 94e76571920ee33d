"""The state tensors of one stream: where they lie, how they start, how caches grow."""

from __future__ import annotations

import base64
import binascii
import math
import mmap
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from edgeseq.contract import Axis, Initial, State, resolve_shape
from edgeseq.errors import ContractError
from edgeseq.runtime.devices import Array, Buffer, Device
from edgeseq.runtime.inputs import show
from edgeseq.runtime.schedule import along

#: Base frames that a cache has room for when nothing else is asked for; it doubles from there.
FIRST_CONTEXT = 256
#: Bytes of a cache from which on its memory is asked of the operating system itself.
_LARGE = 2**20


class States:
    """Two sets of buffers that take turns as a call's input and output; a state in place has one buffer in both.

    The caller keeps ``side``, 0 or 1: the set that holds the current values.
    """

    def __init__(
        self,
        states: tuple[State, ...],
        device_of: Callable[[str], Device],
        sizes: Mapping[str, int],
        conditioning: Mapping[str, Array],
        room: int,
    ) -> None:
        """Allocate every state; caches get room for ``room`` base frames. The values are not written yet.

        ``device_of`` tells where an input of the graph has to lie.
        """
        self._states = states
        self._device_of = device_of
        self._sizes = sizes
        self._initial = {state.name: initial_array(state, conditioning, sizes) for state in states}
        self._sides: tuple[dict[str, Buffer], dict[str, Buffer]] = ({}, {})
        self.grows = any("capacity" in state.shape for state in states)
        for state in states:
            self._sides[0][state.name], self._sides[1][state.name] = self._pair(state, self._empty(state, room))

    @property
    def nbytes(self) -> int:
        """Bytes of all state buffers, both sets."""
        buffers = {id(buffer): buffer for side in self._sides for buffer in side.values()}
        return sum(buffer.nbytes for buffer in buffers.values())

    def restart(self, side: int, base_frames: int, used: int) -> None:
        """Write the initial value of every state whose first real frame is number ``base_frames``.

        ``used``: the base frames for which caches may hold entries. What lies beyond holds the initial value anyway.
        """
        for state in self._states:
            if state.start == base_frames:
                self._write_initial(state, side, used)

    def begin(self, side: int, used: int) -> None:
        """Write the initial value of every state; ``used`` as for :meth:`restart`."""
        for state in self._states:
            self._write_initial(state, side, used)

    def read(self, side: int, fed: int) -> dict[str, Array]:
        """The values in ``side`` after ``fed`` base frames, of caches the entries in use; on CPU the very memory."""
        return {state.name: in_use(state, self._sides[side][state.name].read(), fed) for state in self._states}

    def put(self, side: int, fed: int, values: Mapping[str, Array], used: int) -> None:
        """Write what :meth:`read` gave after ``fed`` base frames; ``used`` as for :meth:`restart`, at least ``fed``."""
        for state in self._states:
            buffer, value = self._sides[side][state.name], values[state.name]
            if "capacity" not in state.shape:
                buffer.write(value)
            elif buffer.array is None:
                whole = self._filled(state, buffer.shape)
                in_use(state, whole, fed)[...] = value
                buffer.write(whole)
            else:
                in_use(state, buffer.array, fed)[...] = value
                axis = state.shape.index("capacity")
                stale = along(axis, value.shape[axis], entries(state, used))
                buffer.array[stale] = self._initial[state.name]

    def put_positions(self, side: int, fed: int) -> None:
        """Let every state of kind position hold what it does after ``fed`` base frames."""
        for state in self._states:
            if state.kind == "position":
                self._sides[side][state.name].write(self.position(state, fed))

    def position(self, state: State, fed: int) -> Array:
        """What a state of kind position holds after ``fed`` base frames, with size 1 where it does not vary."""
        return np.asarray(self._initial[state.name] + frames_since(state, fed), state.dtype)

    def grow(self, side: int, room: int) -> None:
        """Give caches room for ``room`` base frames; what the current ``side`` holds is kept."""
        sides = dict(self._sides[0]), dict(self._sides[1])
        for state in self._states:
            if "capacity" in state.shape:
                larger = self._empty(state, room)
                old = self._sides[side][state.name].read()
                larger[tuple(slice(size) for size in old.shape)] = old
                sides[side][state.name], sides[1 - side][state.name] = self._pair(state, larger)
        self._sides = sides

    def release(self) -> None:
        """Let go of all buffers."""
        self._sides = ({}, {})
        self._initial = {}

    def bind(self, binding: Any, side: int) -> None:
        """Bind the set ``side`` as input and the other as output."""
        for state in self._states:
            binding.bind_ortvalue_input(state.input, self._sides[side][state.name].value)
            binding.bind_ortvalue_output(state.output, self._sides[1 - side][state.name].value)

    def changed_by_a_run(self) -> list[Buffer]:
        """The buffers of which a run leaves another value behind for the next: states in place that are no caches.

        What a run writes to a cache it writes again where it is run again.
        """
        return [self._sides[0][state.name] for state in self._states if state.in_place and state.kind != "kv"]

    def written(self, side: int) -> list[Buffer]:
        """The buffers other than caches in place to which a run that reads ``side`` writes."""
        return [self._sides[1 - side][s.name] for s in self._states if not (s.in_place and s.kind == "kv")]

    def _write_initial(self, state: State, side: int, used: int) -> None:
        buffer, initial = self._sides[side][state.name], self._initial[state.name]
        if buffer.array is not None and state.in_place and "capacity" in state.shape:
            axis = state.shape.index("capacity")
            buffer.array[along(axis, 0, entries(state, used))] = initial
        else:
            buffer.write(initial)

    def _empty(self, state: State, room: int) -> Array:
        sizes = {**self._sizes, "capacity": entries(state, room)}
        return self._filled(state, resolve_shape(state.shape, sizes))

    def _filled(self, state: State, shape: tuple[int, ...]) -> Array:
        """An array for a state; a cache holds the initial value. Zeros that nobody reads take no memory."""
        make = untouched if "capacity" in state.shape else zeros
        array = make(shape, np.dtype(state.dtype))
        if "capacity" in state.shape and self._initial[state.name].any():
            array[...] = self._initial[state.name]
        return array

    def _pair(self, state: State, current: Array) -> tuple[Buffer, Buffer]:
        """A buffer that holds ``current`` and one to write the next values to."""
        device = self._device_of(state.input)
        buffer = device.place(current)
        return buffer, buffer if state.in_place else device.place(zeros(current.shape, current.dtype))


def zeros(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """``np.zeros`` that raises MemoryError for every size that cannot be."""
    try:
        return np.zeros(shape, dtype)
    except (ValueError, OverflowError) as error:
        raise MemoryError(f"{error} for shape {show(shape)}") from None


def untouched(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Zeros of which only the pages that are written to become memory.

    Large arrays of numpy come in huge pages, and in memory that was used before and has to be cleared: with an axis in
    front of the entries, a cache would be in memory as a whole as soon as one entry is written.
    """
    size = math.prod(shape) * dtype.itemsize
    if size < _LARGE or not hasattr(mmap, "MAP_PRIVATE"):
        return zeros(shape, dtype)
    try:
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    except (OSError, ValueError, OverflowError) as error:
        raise MemoryError(f"{error} for shape {show(shape)}") from None
    return np.frombuffer(memory, dtype).reshape(shape)


def entries(state: State, base_frames: int) -> int:
    """Entries of a cache that hold ``base_frames``."""
    return -(-base_frames * state.ratio.numerator // state.ratio.denominator)


def in_use(state: State, array: Array, fed: int) -> Array:
    """What of ``array`` a state uses after ``fed`` base frames: of a cache the entries written, of others all."""
    if "capacity" not in state.shape:
        return array
    return array[along(state.shape.index("capacity"), 0, entries(state, frames_since(state, fed)))]


def frames_since(state: State, fed: int) -> int:
    """Base frames since the value of a state was initial. At its start that is still to be written."""
    return fed - state.start if fed > state.start else fed


def initial_array(state: State, conditioning: Mapping[str, Array], sizes: Mapping[str, int]) -> Array:
    """The state's initial value, with size 1 along every axis on which it does not vary."""
    initial = state.initial
    if initial.kind in ("conditioning", "prologue") and initial.port is not None:
        given = conditioning[initial.port]
        part = given if initial.index is None else given[initial.index : initial.index + 1]
        shape = resolve_shape(state.shape, sizes)
        return part.reshape(shape) if part.size == math.prod(shape) else part
    if initial.kind == "data":
        return _decode(initial, state)
    return np.full((1,) * len(state.shape), initial.value or 0, dtype=state.dtype)


def _decode(initial: Initial, state: State) -> Array:
    dtype = np.dtype(state.dtype)
    try:
        raw = base64.b64decode(initial.base64 or "", validate=True)
        return np.frombuffer(raw, dtype=dtype.newbyteorder("<")).astype(dtype).reshape(initial.shape or ())
    except (binascii.Error, ValueError) as error:
        raise ContractError("broken contract", where=f"states, {state.name}.initial", why=str(error)) from None


def _indexed(state: State, shape: tuple[Axis, ...], index: int) -> tuple[Axis, ...]:
    """The shape of one part along the first axis."""
    if not shape or not isinstance(shape[0], int) or index >= shape[0]:
        raise ContractError(
            "broken contract",
            where=f"states, {state.name}.initial.index",
            got=index,
            wanted=f"an index into the first axis of {show(shape)}",
        )
    return (1, *shape[1:])


def check_initial(state: State, conditioning: Mapping[str, tuple[str, tuple[Axis, ...]]]) -> None:
    """ContractError where the initial value cannot fill the state; ``conditioning`` maps names to dtype and shape."""
    shape: tuple[Axis, ...] | None = None
    if state.initial.kind in ("conditioning", "prologue") and state.initial.port is not None:
        dtype, shape = conditioning[state.initial.port]
        if state.initial.index is not None:
            shape = _indexed(state, shape, state.initial.index)
        if dtype != state.dtype:
            raise ContractError(
                "broken contract", where=f"states, {state.name}.initial", got=dtype, wanted=f"dtype {state.dtype}"
            )
        same = [axis for axis in shape if axis != 1] == [axis for axis in state.shape if axis != 1]
        shape = state.shape if same else shape
    elif state.initial.kind == "data":
        shape = _decode(state.initial, state).shape
    if shape is None:
        return
    fits = len(shape) == len(state.shape) and all(a == 1 or a == b for a, b in zip(shape, state.shape, strict=True))
    if not fits:
        raise ContractError(
            "broken contract",
            where=f"states, {state.name}.initial",
            got=f"shape {show(shape)}",
            wanted=f"what fills {show(state.shape)}",
        )
