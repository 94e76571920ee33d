"""What no frame and no row may depend on: neighbours in the batch, frames that have not come, earlier streams.

All of it is checked bit for bit, on the file alone: what it computes is not asked here.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from edgeseq.contract import Contract, Port, axis_parts
from edgeseq.verification.arrays import Arrays
from edgeseq.verification.report import Check
from edgeseq.verification.streams import Runs, frames_between, random_chunks


class Sample(Protocol):
    """A file's streams and inputs for them: ``frames`` base frames of ``batch`` rows."""

    runs: Runs
    contract: Contract
    frames: int
    batch: int

    def inputs(self, seed: int, frames: int | None = None, rows: int | None = None) -> Arrays:
        """Inputs of this size, or of another."""


def rows_in_chunks(sample: Sample) -> int:
    """Rows of which a call may hold many frames: one where a batch takes fewer, and would be cut into other calls."""
    return sample.batch if sample.contract.chunk.max_batched is None else 1


def neighbours(sample: Sample) -> Check:
    """A row is the same, bit for bit, whatever stands beside it: silence, or a signal a thousand times louder."""
    if sample.batch == 1:
        return Check("neighbours", True, "the model has no batch")
    if not any(batch_axis(port) for port in sample.contract.with_role("output")):
        return Check("neighbours", True, "no output tells rows apart: nothing to compare")
    inputs, chunks = sample.inputs(202), random_chunks(sample.frames, 3)
    alone = sample.runs.whole(inputs, chunks)
    for row in range(sample.batch):
        for factor in (1000, 0):
            beside = _beside(sample.contract, inputs, row, factor)
            difference = _first_difference(sample, alone, sample.runs.whole(beside, chunks), row)
            if difference:
                return Check("neighbours", False, f"row {row} beside rows {factor} times as loud: {difference}")
    return Check("neighbours", True, "each row is bit for bit the same beside loud and silent rows")


def _beside(contract: Contract, inputs: Arrays, row: int, factor: int) -> Arrays:
    """The inputs with every row but one made louder, or other tokens."""
    changed = {name: array.copy() for name, array in inputs.items()}
    for port in contract.ports:
        if port.name in changed and (found := batch_axis(port)) is not None:
            axis, times = found
            rows = np.moveaxis(changed[port.name], axis, 0)
            others = [other for other in range(len(rows)) if other // times != row]
            rows[others] = rows[others] * factor if rows.dtype.kind == "f" else rows[others][::-1]
    return changed


def futures(sample: Sample) -> Check:
    """Frames that have not come yet change nothing: the same past with two futures, split at every kind of place."""
    contract, rows = sample.contract, rows_in_chunks(sample)
    inputs, other = sample.inputs(303, rows=rows), sample.inputs(404, rows=rows)
    chunks = random_chunks(sample.frames, 5, largest=12)
    split = sample.frames // 2 // contract.chunk.multiple * contract.chunk.multiple
    mixed = {}
    for name, array in inputs.items():
        port = contract.port(name)
        if port.time_axis is None:
            mixed[name] = array
            continue
        past = frames_between(port, array, 0, split)
        future = frames_between(port, other[name], split, sample.frames)
        mixed[name] = np.concatenate([past, future * 1000 if array.dtype.kind == "f" else future], port.time_axis)
    one, two = sample.runs.whole(inputs, chunks), sample.runs.whole(mixed, chunks)
    for port in contract.with_role("output"):
        if port.time_axis is None:
            continue
        known = max(0, int(split * port.ratio) - port.delay)
        first, second = (np.take(run[port.name], range(known), axis=port.time_axis) for run in (one, two))
        if not np.array_equal(first, second, equal_nan=first.dtype.kind == "f"):
            return Check("futures", False, f"{port.name} changes before the future that changed reaches it")
    return Check("futures", True, f"{split} frames of past are bit for bit the same before two futures")


def loud_end(sample: Sample) -> Check:
    """A last frame a thousand times louder, or another token, changes nothing of the same call before it."""
    contract = sample.contract
    frames = sample.frames // contract.chunk.multiple * contract.chunk.multiple
    rows = rows_in_chunks(sample)
    inputs, other = sample.inputs(707, frames, rows), sample.inputs(808, frames, rows)
    loud = {name: array.copy() for name, array in inputs.items()}
    for port in contract.with_role("frame"):
        last, another = (
            np.moveaxis(arrays[port.name], port.time_axis or 0, 0)[-max(1, int(port.ratio * contract.chunk.multiple)) :]
            for arrays in (loud, other)
        )
        last[...] = last * 1000 if last.dtype.kind == "f" else another
    one, two = sample.runs.whole(inputs, [frames]), sample.runs.whole(loud, [frames])
    for port in contract.with_role("output"):
        if port.time_axis is not None:
            known = max(0, int((frames - contract.chunk.multiple) * port.ratio) - port.delay)
            first, second = (np.take(run[port.name], range(known), axis=port.time_axis) for run in (one, two))
            if not np.array_equal(first, second, equal_nan=first.dtype.kind == "f"):
                return Check("loud end", False, f"{port.name} before the last frame of a call changes with it")
    return Check("loud end", True, f"bit for bit the same before a loud last frame in a call of {frames}")


def reset(sample: Sample) -> Check:
    """After ``reset`` a stream is a new stream, bit for bit."""
    inputs, other, chunks = sample.inputs(505), sample.inputs(606), random_chunks(sample.frames, 9)
    stream = sample.runs.open(inputs)
    fresh = sample.runs.whole(inputs, chunks, stream=stream)
    stream.reset()
    sample.runs.whole(other, chunks, stream=stream)
    stream.reset()
    difference = _first_difference(sample, fresh, sample.runs.whole(inputs, chunks, stream=stream))
    if difference:
        return Check("reset", False, f"after another tenant and a reset, {difference}")
    return Check("reset", True, "bit for bit the same after another tenant and a reset")


def _first_difference(sample: Sample, one: Arrays, two: Arrays, row: int | None = None) -> str | None:
    for port in sample.contract.with_role("output"):
        first, second = one[port.name], two[port.name]
        if row is not None:
            found = batch_axis(port)
            if found is None:
                continue  # the rows of such an output are not told apart
            axis, times = found
            rows = range(row * times, (row + 1) * times)
            first, second = np.take(first, rows, axis), np.take(second, rows, axis)
        if not np.array_equal(first, second, equal_nan=first.dtype.kind == "f"):
            return f"{port.name} differs by up to {np.max(np.abs(first - second)):.3g}"
    return None


def batch_axis(port: Port) -> tuple[int, int] | None:
    """The axis of a port along which rows lie, and how many of its places one row has: 4 for ``4*batch``."""
    for axis, size in enumerate(port.shape):
        if isinstance(size, str) and axis_parts(size)[1] == "batch":
            return axis, axis_parts(size)[0]
    return None
