"""The three laws as checks of a finished file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from edgeseq.contract import Contract
from edgeseq.exporters.verification.reference import Arrays, Reference, draw
from edgeseq.exporters.verification.report import Check, Verification
from edgeseq.exporters.verification.streams import Runs, random_chunks
from edgeseq.exporters.verification.yardstick import Yardstick
from edgeseq.runtime import load

_FRAMES = 61
_CHUNKINGS = 3
_BATCH = 3


def verify(path: str | Path, model: nn.Module, *, atol: float | None = None, rtol: float | None = None) -> Verification:
    """Run the laws on the file at ``path`` against the module it was made from.

    ``atol`` and ``rtol`` are the user's allowance on top of the yardstick. Returns what was found; a failed law is a
    failed check, not an exception. Raises EdgeseqError where the file cannot be loaded or the model is another one.
    """
    runs = Runs(load(path))
    contract = runs.contract
    yardstick = Yardstick(atol or 0.0, rtol or 0.0)
    reference = Reference(model, contract)
    frames, batch = horizon(contract), _BATCH if runs.batched else 1
    bench = Bench(runs, reference, yardstick, frames, batch)
    checks = tuple(law(bench) for law in LAWS)
    settings = {
        "frames": frames,
        "batch": batch,
        "chunkings": _CHUNKINGS,
        "atol": atol,
        "rtol": rtol,
        "factor": 4.0,
        "reference": reference.precision,
    }
    return Verification(checks, settings)


def horizon(contract: Contract) -> int:
    """Frames to compare on: past the start of every state and the shortest input, within the context."""
    least = contract.min_frames + 2 * contract.delay + max((state.start for state in contract.states), default=0)
    frames = max(_FRAMES, least + 16 * contract.chunk.multiple)
    frames += contract.receptive_field or 0
    if contract.max_context is not None:
        frames = min(frames, contract.max_context)
    return _accepted(contract, frames)


def _accepted(contract: Contract, frames: int) -> int:
    """The largest length up to ``frames`` that the model takes."""
    lengths = [port.length for port in contract.with_role("output") if port.length is not None]
    while frames > 1 and any(length(frames) is None for length in lengths):
        frames -= 1
    return frames


class Bench:
    """What a law needs: the file's streams, the module, the yardstick, and a size."""

    def __init__(self, runs: Runs, reference: Reference, yardstick: Yardstick, frames: int, batch: int) -> None:
        self.runs, self.reference, self.yardstick = runs, reference, yardstick
        self.frames, self.batch = frames, batch
        self.contract = runs.contract

    def inputs(self, seed: int, frames: int | None = None) -> Arrays:
        """Random inputs of this size."""
        return draw(self.contract, frames or self.frames, self.batch, seed)

    def compare(self, streamed: Arrays, inputs: Arrays, names: list[str]) -> Iterator[tuple[str, Any]]:
        """For each output: its name, and the yardstick's finding or a sentence."""
        exact, plain = self.reference.exact(inputs), self.reference.run(inputs)
        for name in names:
            axes = unfolded(streamed[name], exact[name])
            if axes is None:
                yield name, f"shape {list(streamed[name].shape)}, the module gives {list(exact[name].shape)}"
            elif streamed[name].dtype != plain[name].dtype:
                yield name, f"dtype {streamed[name].dtype}, the module gives {plain[name].dtype}"
            else:
                yield name, self.yardstick.worst(streamed[name], axes, plain[name].reshape(streamed[name].shape))

    def named(self, timed: bool) -> list[str]:
        """The outputs with, or without, a time axis."""
        return [port.name for port in self.contract.with_role("output") if (port.length is not None) is timed]


def unfolded(streamed: np.ndarray[Any, Any], whole: np.ndarray[Any, Any]) -> np.ndarray[Any, Any] | None:
    """The whole-sequence output in the shape of the streamed one, whose time is in an axis of its own."""
    if streamed.shape == whole.shape:
        return whole
    return whole.reshape(streamed.shape) if streamed.size == whole.size else None


class _Worst:
    """Collects comparisons into one check."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.distance = self.allowed = 0.0
        self.failure: str | None = None

    def add(self, output: str, found: Any, where: str) -> None:
        if isinstance(found, str):
            self.failure = self.failure or f"{output}, {where}: {found}"
            return
        distance, allowed, place = found
        if place is not None:
            self.failure = self.failure or (
                f"{output}{list(place)}, {where}: off by {distance:.3g}, allowed {allowed:.3g}"
            )
        if distance >= self.distance:
            self.distance, self.allowed = distance, allowed

    def check(self, passed: str) -> Check:
        detail = self.failure or f"{passed}; worst {self.distance:.2g}, allowed {self.allowed:.2g}"
        return Check(self.name, self.failure is None, detail, self.distance, self.allowed)


def concatenation(bench: Bench) -> Check:
    """Steps and flush, concatenated, are the whole; the lengths of every remainder included."""
    worst = _Worst("concatenation")
    names = bench.named(timed=True)
    if not names:
        return worst.check("no output has a time axis: nothing to compare")
    multiple = bench.contract.chunk.multiple
    lengths = {_accepted(bench.contract, max(bench.contract.min_frames, bench.frames - r)) for r in range(multiple + 1)}
    lengths |= {_accepted(bench.contract, min(bench.frames, bench.contract.min_frames + multiple))}
    for seed, frames in enumerate(sorted(lengths, reverse=True)):
        inputs = bench.inputs(seed, frames)
        for trial in range(_CHUNKINGS if seed == 0 else 1):
            chunks = random_chunks(frames, 10 * seed + trial) if trial else [1] * frames
            streamed = bench.runs.whole(inputs, chunks)
            for output, found in bench.compare(streamed, inputs, names):
                worst.add(output, found, f"{frames} frames in chunks of {_shown(chunks)}")
    return worst.check(f"{len(lengths)} lengths up to {bench.frames} frames")


def prefix(bench: Bench) -> Check:
    """An output without time is, after t frames, what the module gives for those t frames."""
    worst = _Worst("prefix")
    names = bench.named(timed=False)
    if not names:
        return worst.check("every output has a time axis")
    inputs = bench.inputs(101)
    late = [name for name in names if bench.contract.port(name).delay or bench.contract.chunk.multiple > 1]
    count = 0
    chunks = [1] * min(4, bench.frames) + random_chunks(max(0, bench.frames - 4), 7)
    for taken, streamed in bench.runs.summaries(inputs, chunks):
        if taken >= bench.contract.min_frames and taken % bench.contract.chunk.multiple == 0:
            past = _past(bench.contract, inputs, taken)
            for output, found in bench.compare(streamed, past, [name for name in names if name not in late]):
                worst.add(output, found, f"after {taken} frames")
            count += 1
    for frames in range(max(bench.contract.min_frames, bench.frames - bench.contract.chunk.multiple), bench.frames + 1):
        if _accepted(bench.contract, frames) == frames:
            past = _past(bench.contract, inputs, frames)
            streamed = bench.runs.whole(past, random_chunks(frames, frames))
            for output, found in bench.compare(streamed, past, names):
                worst.add(output, found, f"flushed after {frames} frames")
    return worst.check(f"after {count} steps and at the end")


def _past(contract: Contract, inputs: Arrays, frames: int) -> Arrays:
    timed = {port.name: port.time_axis for port in contract.with_role("frame")}
    return {
        name: np.take(array, range(frames), axis=timed[name]) if name in timed else array
        for name, array in inputs.items()
    }


def neighbours(bench: Bench) -> Check:
    """A row is the same, bit for bit, whatever stands beside it: silence, or a signal a thousand times louder."""
    if bench.batch == 1:
        return Check("neighbours", True, "the model has no batch")
    inputs, chunks = bench.inputs(202), random_chunks(bench.frames, 3)
    alone = bench.runs.whole(inputs, chunks)
    for row in range(bench.batch):
        for factor in (1000, 0):
            beside = _beside(bench.contract, inputs, row, factor)
            difference = _first_difference(bench, alone, bench.runs.whole(beside, chunks), row)
            if difference:
                return Check("neighbours", False, f"row {row} beside rows {factor} times as loud: {difference}")
    return Check("neighbours", True, "each row is bit for bit the same beside loud and silent rows")


def _beside(contract: Contract, inputs: Arrays, row: int, factor: int) -> Arrays:
    """The inputs with every row but one made louder, or other tokens."""
    changed = {name: array.copy() for name, array in inputs.items()}
    for port in contract.ports:
        if port.name in changed and "batch" in port.shape:
            rows = np.moveaxis(changed[port.name], port.shape.index("batch"), 0)
            others = [other for other in range(len(rows)) if other != row]
            rows[others] = rows[others] * factor if rows.dtype.kind == "f" else rows[others][::-1]
    return changed


def futures(bench: Bench) -> Check:
    """Frames that have not come yet change nothing: the same past with two futures, split at every kind of place."""
    inputs, other = bench.inputs(303), bench.inputs(404)
    contract = bench.contract
    chunks = random_chunks(bench.frames, 5, largest=12)
    split = bench.frames // 2 // contract.chunk.multiple * contract.chunk.multiple
    mixed = {}
    for name, array in inputs.items():
        port = contract.port(name)
        if port.time_axis is None:
            mixed[name] = array
            continue
        past = np.take(array, range(split), axis=port.time_axis)
        future = np.take(other[name], range(split, bench.frames), axis=port.time_axis)
        mixed[name] = np.concatenate([past, future * 1000 if array.dtype.kind == "f" else future], port.time_axis)
    one, two = bench.runs.whole(inputs, chunks), bench.runs.whole(mixed, chunks)
    for port in contract.with_role("output"):
        if port.time_axis is None:
            continue
        known = max(0, int(split * port.ratio) - port.delay)
        first, second = (np.take(run[port.name], range(known), axis=port.time_axis) for run in (one, two))
        if not np.array_equal(first, second, equal_nan=first.dtype.kind == "f"):
            return Check("futures", False, f"{port.name} changes before the future that changed reaches it")
    return Check("futures", True, f"{split} frames of past are bit for bit the same before two futures")


def reset(bench: Bench) -> Check:
    """After ``reset`` a stream is a new stream, bit for bit."""
    inputs, other, chunks = bench.inputs(505), bench.inputs(606), random_chunks(bench.frames, 9)
    stream = bench.runs.open(inputs)
    fresh = bench.runs.whole(inputs, chunks, stream=stream)
    stream.reset()
    bench.runs.whole(other, chunks, stream=stream)
    stream.reset()
    difference = _first_difference(bench, fresh, bench.runs.whole(inputs, chunks, stream=stream))
    if difference:
        return Check("reset", False, f"after another tenant and a reset, {difference}")
    return Check("reset", True, "bit for bit the same after another tenant and a reset")


def _first_difference(bench: Bench, one: Arrays, two: Arrays, row: int | None = None) -> str | None:
    for port in bench.contract.with_role("output"):
        first, second = one[port.name], two[port.name]
        if row is not None and "batch" in port.shape:
            axis = port.shape.index("batch")
            first, second = np.take(first, row, axis), np.take(second, row, axis)
        elif row is not None:
            continue
        if not np.array_equal(first, second, equal_nan=first.dtype.kind == "f"):
            return f"{port.name} differs by up to {np.max(np.abs(first - second)):.3g}"
    return None


def _shown(chunks: list[int]) -> str:
    text = ", ".join(map(str, chunks[:12]))
    return "1" if set(chunks) == {1} else text + (", ..." if len(chunks) > 12 else "")


LAWS: tuple[Callable[[Bench], Check], ...] = (concatenation, prefix, neighbours, futures, reset)
