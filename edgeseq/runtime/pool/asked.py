"""Checks on what a caller asks of a pool: slots, frames, counts. Nothing is copied unless it has to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeseq.contract import Axis, Port
from edgeseq.errors import ShapeError
from edgeseq.runtime.devices import Array
from edgeseq.runtime.finite import all_finite
from edgeseq.runtime.foreign import as_array
from edgeseq.runtime.inputs import by_name, check_array, check_finite_frames, check_names, check_range, known_shape
from edgeseq.runtime.pool.stores import batch_axis, in_front
from edgeseq.runtime.schedule import frames_of

if TYPE_CHECKING:
    from edgeseq.runtime.pool.pool import Pool


_FINITE = "leave that slot out of this tick, or make the pool with on_nonfinite='pass'"


@dataclass(frozen=True)
class Asked:
    """Slots in ascending order, the frames of each and how many of them count; ``order`` is where each was given."""

    slots: Array
    frames: Mapping[str, Array]
    counts: Array
    order: Array | None


def check_slots(slots: object, capacity: int) -> Array:
    """``slots`` as int64[n], none twice, none beside the pool; ShapeError."""
    given = np.asarray(slots)
    if given.ndim != 1 or given.dtype.kind not in "iu" or not given.size:
        raise ShapeError(
            "slots is not a list of slots",
            got=f"{given.dtype} of shape {list(given.shape)}",
            wanted="int32[n], n from 1 up",
        )
    if int(given.min()) < 0 or int(given.max()) >= capacity:
        wrong = int(given.min()) if int(given.min()) < 0 else int(given.max())
        raise ShapeError("there is no such slot", got=wrong, wanted=f"from 0 to {capacity - 1}")
    return given.astype(np.int64)


def in_order(slots: Array) -> Array | None:
    """The order in which slots ascend, None where they do; ShapeError where one stands twice."""
    if (slots[1:] > slots[:-1]).all():
        return None
    order = np.argsort(slots, kind="stable")
    same = np.flatnonzero(np.diff(slots[order]) == 0)
    if same.size:
        raise ShapeError("a slot stands twice in one step", got=int(slots[order][same[0]]), wanted="each slot once")
    return order


def ask(
    slots: Array,
    frames: Mapping[str, Any],
    counts: object,
    ports: tuple[Port, ...],
    sizes: Mapping[str, int],
    finite: bool,
) -> Asked:
    """What is to be stepped; ShapeError or NonFiniteInput where it does not fit."""
    check_names(frames, ports, "the inputs")
    frames = {port.name: as_array(port.name, frames[port.name]) for port in ports}
    shapes = {port.name: known_shape(port.shape, {**sizes, "batch": len(slots)}) for port in ports}
    for port in ports:
        check_array(port.name, frames[port.name], port.dtype, shapes[port.name])
    most = {_base_frames(port, frames[port.name]) for port in ports}
    if len(most) > 1:
        raise ShapeError("the inputs do not hold the same stretch of time", got=f"{sorted(most)} base frames")
    each = _counts(counts, len(slots), most.pop())
    for port in ports:
        _check_values(port, frames[port.name], each, finite)
    order = in_order(slots)
    if order is None:
        return Asked(slots, frames, each, None)
    sorted_frames = {port.name: np.take(frames[port.name], order, batch_axis(port.name, port.shape)) for port in ports}
    return Asked(slots[order], sorted_frames, each[order], order)


def _base_frames(port: Port, array: Array) -> int:
    frames = array.shape[port.time_axis or 0] * port.ratio.denominator
    if frames % port.ratio.numerator:
        raise ShapeError(
            f"{port.name} does not hold whole base frames",
            got=f"{array.shape[port.time_axis or 0]} frames",
            wanted=f"a multiple of {port.ratio.numerator}",
        )
    return int(frames // port.ratio.numerator)


def _counts(counts: object, rows: int, most: int) -> Array:
    if counts is None:
        return np.full(rows, most, np.int64)
    each = np.asarray(counts)
    if each.shape != (rows,) or each.dtype.kind not in "iu":
        raise ShapeError(
            "counts does not fit the slots", got=f"{each.dtype} of shape {list(each.shape)}", wanted=f"int32[{rows}]"
        )
    if int(each.min()) < 1 or int(each.max()) > most:
        wrong = int(each.min()) if int(each.min()) < 1 else int(each.max())
        raise ShapeError("counts says what the frames do not hold", got=wrong, wanted=f"from 1 to {most} base frames")
    return each.astype(np.int64)


def counts_for(counts: object, rows: int) -> Array:
    """``counts`` for each slot, from one number or as many; ShapeError."""
    each = np.asarray(counts)
    if each.dtype.kind not in "iu" or each.shape not in ((), (rows,)) or int(each.min()) < 0:
        raise ShapeError("counts is no number of frames from 0, nor one for each slot", got=repr(counts)[:60])
    return np.broadcast_to(each, (rows,)).astype(np.int64)


def _check_values(port: Port, array: Array, counts: Array, finite: bool) -> None:
    """Refuse what a single stream refuses; frames behind a row's count are not looked at."""
    if counts.min() == counts.max() == _base_frames(port, array):
        check_range(port, array)
        if finite:
            check_finite_frames(port, array, _FINITE)
        return
    if array.dtype.kind == "f" and (not finite or all_finite(array)):
        return
    rows = np.moveaxis(array, batch_axis(port.name, port.shape), 0)
    for row, count in zip(rows, counts.tolist(), strict=True):
        used = row[in_front(port, 0, frames_of(port, count))]
        check_range(port, used)
        if finite:
            check_finite_frames(port, used, _FINITE)


def stacked(
    given: Mapping[Any, Any], ports: tuple[Port, ...], shapes: Mapping[str, tuple[Axis, ...]]
) -> tuple[Array, dict[str, Array], Array, list[bool]]:
    """A dict by slot as slots, frames and counts; and for each slot whether its frames came with a batch axis."""
    frames: dict[str, list[Array]] = {port.name: [] for port in ports}
    batched: list[bool] = []
    for slot, value in given.items():
        named = value if isinstance(value, Mapping) else {ports[0].name: value}
        check_names(named, ports, f"the inputs of {_whose(slot)}")
        rows = {port.name: _row(port, named[port.name], shapes[port.name], _whose(slot)) for port in ports}
        for name, (array, _) in rows.items():
            frames[name].append(array)
        batched.append(all(whole for _, whole in rows.values()))
    counts = np.array([_base_frames(ports[0], array) for array in frames[ports[0].name]], np.int64)
    joined = {port.name: side_by_side(port, frames[port.name]) for port in ports}
    return np.array(list(given)), joined, counts, batched


def _row(port: Port, value: Any, shape: tuple[Axis, ...], whose: str) -> tuple[Array, bool]:
    """The frames of one stream with a batch axis of one, and whether they came with it."""
    name = f"{port.name} of {whose}"
    array = as_array(name, value)
    alone = isinstance(array, np.ndarray) and array.ndim == len(shape) - 1
    if alone:
        array = np.expand_dims(array, batch_axis(port.name, port.shape))
    return check_array(name, array, port.dtype, shape), not alone


def _whose(slot: Any) -> str:
    return f"slot {slot}" if isinstance(slot, (int, np.integer)) else str(slot)


def side_by_side(port: Port, arrays: list[Array]) -> Array:
    """The rows along the batch axis, zeros behind those that are shorter."""
    axis, time = batch_axis(port.name, port.shape), port.time_axis or 0
    most = max(array.shape[time] for array in arrays)
    if all(array.shape[time] == most for array in arrays):
        return np.concatenate(arrays, axis)
    padded = []
    for array in arrays:
        behind = [(0, most - array.shape[time] if at == time else 0) for at in range(array.ndim)]
        padded.append(np.pad(array, behind) if array.shape[time] < most else array)
    return np.concatenate(padded, axis)


def frames_of_one(pool: Pool, given: Any) -> tuple[dict[str, Array], int, bool]:
    """The frames of one stream with a batch axis, how many base frames they are, and whether they came with one."""
    named = by_name(given, {}, pool.ports, "by name: step(name=array, ...)")
    shapes = {port.name: known_shape(port.shape, {**pool.sizes, "batch": 1}) for port in pool.ports}
    _, frames, counts, batched = stacked({"the stream": named}, pool.ports, shapes)
    return frames, int(counts[0]), batched[0]
