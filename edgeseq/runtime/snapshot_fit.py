"""Whether a snapshot belongs in a stream: checked to the last array before anything is written."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgeseq.contract import Port, State, resolve_shape
from edgeseq.errors import ContractError, UsageError
from edgeseq.runtime.devices import Array
from edgeseq.runtime.inputs import check_range
from edgeseq.runtime.opening import Opening
from edgeseq.runtime.overlap import history_shape
from edgeseq.runtime.schedule import frames_of
from edgeseq.runtime.snapshots import Snapshot
from edgeseq.runtime.states import entries, frames_since, initial_array

Wanted = dict[str, tuple[str, tuple[int, ...]]]


def check_fit(snapshot: object, opening: Opening) -> Snapshot:
    """``snapshot`` itself, for a stream that was opened with ``opening``.

    ContractError where it is another model's or contradicts the contract, UsageError where its stream was opened
    otherwise.
    """
    if not isinstance(snapshot, Snapshot):
        raise UsageError(
            "a stream is restored from a Snapshot", got=type(snapshot).__name__, do="take stream.snapshot()"
        )
    if snapshot.model != opening.digest:
        raise ContractError(
            "the snapshot is another model's",
            got=snapshot.model,
            wanted=opening.digest,
            do="restore it into a stream of the file it was taken from",
        )
    _check_opening(snapshot, opening)
    _check_counts(snapshot, opening)
    _check_arrays(snapshot, opening)
    return snapshot


def _check_opening(snapshot: Snapshot, opening: Opening) -> None:
    batch = opening.sizes["batch"]
    if snapshot.batch != batch:
        raise UsageError(
            "the snapshot has another batch", got=snapshot.batch, wanted=batch, do="open a stream with its batch"
        )
    if snapshot.conditioning != opening.given:
        raise UsageError(
            "the snapshot is of a stream with other conditioning",
            got=snapshot.conditioning,
            wanted=opening.given,
            do="open a stream with the arrays that were given to that one: a snapshot does not hold them",
        )
    limit = opening.limit
    if limit is not None and snapshot.frames_in > limit:
        raise UsageError(
            "the snapshot holds more frames than this stream takes",
            got=snapshot.frames_in,
            wanted=f"at most {limit}",
            do="open a stream with a larger max_context",
        )
    if opening.on_missing == "hold" and snapshot.held is None and snapshot.frames_in:
        raise UsageError(
            "the snapshot does not hold the last frames",
            why="it is of a stream that was not opened with on_missing='hold', as this one was",
            do="open both alike",
        )


def _check_counts(snapshot: Snapshot, opening: Opening) -> None:
    multiple = opening.contract.chunk.multiple
    waits = snapshot.frames_waiting < (multiple if snapshot.total is None else 1)
    if snapshot.position % multiple or not waits or snapshot.frames_missing > snapshot.frames_in:
        raise _broken("its counts", f"position {snapshot.position}, {snapshot.frames_waiting} frames waiting")


def _check_arrays(snapshot: Snapshot, opening: Opening) -> None:
    contract, sizes, fed = opening.contract, opening.sizes, snapshot.position
    ports = contract.with_role("frame")
    states: Wanted = {}
    for state in contract.states:
        shape = {**sizes, "capacity": entries(state, frames_since(state, fed))}
        states[state.name] = (state.dtype, resolve_shape(state.shape, shape))
    overlaps = {port.name: (port.dtype, resolve_shape(history_shape(port), sizes)) for port in ports if port.overlap}
    untimed = [port for port in contract.with_role("output") if port.time_axis is None]
    finals = {port.name: (port.dtype, resolve_shape(port.shape, sizes)) for port in untimed}
    waiting, frames = snapshot.frames_waiting, _frames(ports, sizes, snapshot.frames_waiting)
    _check_group("state", snapshot.states, states)
    _check_group("history", snapshot.histories, overlaps)
    _check_group("waiting", snapshot.waiting, frames if waiting else {})
    _check_group("held", snapshot.held or {}, _frames(ports, sizes) if snapshot.held else {})
    _check_group("output", snapshot.finals, finals if snapshot.finals else {})
    for port in ports:
        for arrays in (snapshot.histories, snapshot.waiting, snapshot.held or {}):
            if port.name in arrays and arrays[port.name].size:
                check_range(port, arrays[port.name])
    for state in contract.states:
        if state.kind == "position":
            check_position(state, snapshot.states[state.name], fed, opening)


def _frames(ports: tuple[Port, ...], sizes: Mapping[str, int], base_frames: int | None = None) -> Wanted:
    """Dtype and shape of so many base frames of every input; of one frame of each for None."""
    return {
        port.name: (
            port.dtype,
            resolve_shape(port.shape, {**sizes, "time": 1 if base_frames is None else frames_of(port, base_frames)}),
        )
        for port in ports
    }


def _check_group(what: str, arrays: Mapping[str, Array], wanted: Wanted) -> None:
    if set(arrays) != set(wanted):
        raise _broken(f"what it holds of {what}", ", ".join(sorted(arrays)) or "none", ", ".join(wanted) or "none")
    for name, (dtype, shape) in wanted.items():
        if arrays[name].shape != shape or arrays[name].dtype != np.dtype(dtype):
            raise _broken(f"{what} {name}", f"{arrays[name].dtype} {arrays[name].shape}", f"{dtype} {shape}")


def check_position(state: State, value: Array, fed: int, opening: Opening) -> None:
    """ContractError unless a state of kind position counts the frames: some kernels write where it points to."""
    wanted = initial_array(state, opening.conditioning, opening.sizes) + frames_since(state, fed)
    if not np.array_equal(value, np.broadcast_to(wanted, value.shape)):
        raise _broken(f"state {state.name}", f"{value.ravel()[:4]}", f"{np.ravel(wanted)[:4]}")


def _broken(where: str, got: str, wanted: str | None = None) -> ContractError:
    return ContractError(
        "the snapshot does not fit the model", where=where, got=got, wanted=wanted, do="take it from a stream again"
    )
