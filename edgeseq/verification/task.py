"""What a model is for, as a number: a metric of its outputs on data with their targets."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from edgeseq.contract import Contract, Port
from edgeseq.errors import UsageError
from edgeseq.runtime.model import Model
from edgeseq.verification.arrays import Array, Arrays
from edgeseq.verification.streams import Runs

#: ``metric(outputs, data)``: outputs of the file by name, the example axis first, and all of the data's arrays.
Metric: TypeAlias = Callable[[Mapping[str, Array], Mapping[str, Array]], float]
#: Streams that are run in lock-step.
_ROWS = 32


@dataclass(frozen=True)
class Task:
    """A metric and data for it. ``max_loss``: the share of the float file's value that may be lost; None: any.

    ``data`` holds every input of the file by name, the example axis where its port has ``batch``, and whatever else the
    metric reads. ``lengths`` ``[examples]`` among them: base frames of each example, zeros after them. A metric of
    which less is better has the attribute ``lower_is_better``, true. ``name`` is what reports call it.
    """

    metric: Metric
    data: Mapping[str, Array]
    max_loss: float | None = None
    name: str | None = None

    @property
    def called(self) -> str:
        """What the metric is called."""
        return self.name or f"{getattr(self.metric, '__module__', '')}:{getattr(self.metric, '__name__', self.metric)}"

    def score(self, model: Model) -> float:
        """The metric of a file; UsageError where data or metric do not fit it."""
        outputs = outputs_for(model, self.data)
        value = self.metric(outputs, self.data)
        if not isinstance(value, (int, float, np.number)) or not np.isfinite(value):
            raise UsageError(
                "the metric gives no finite number", got=reprlib.repr(value).splitlines()[0], where=self.called
            )
        return float(value)

    def lost(self, before: float, after: float) -> float:
        """The share of ``before`` that is lost; below zero where it is better, infinite where ``before`` is 0."""
        change = before - after
        if getattr(self.metric, "lower_is_better", False):
            change = -change
        return change / abs(before) if before else float(np.sign(change) * np.inf if change else 0.0)

    def compared(self, before: float, model: Model) -> dict[str, Any]:
        """What the float file reaches and what ``model`` does, and the share that is lost; None of nothing."""
        after = self.score(model)
        lost = self.lost(before, after)
        return {
            "metric": self.called,
            "float": before,
            "quantized": after,
            "lost": lost if math.isfinite(lost) else None,
        }


def samples_of(contract: Contract, data: Mapping[str, Array]) -> list[dict[str, Array]]:
    """The examples of ``data`` to calibrate on: every input of the file, what stands behind an example's end left out.

    UsageError where an input lacks. Shapes are checked where the samples are used.
    """
    ports = _ports(contract, data)
    arrays = {port.name: np.asarray(data[port.name]) for port in ports}
    lengths = data.get("lengths")
    if lengths is None or any(arrays[port.name].ndim != len(port.shape) for port in ports):
        return [arrays]
    found: list[dict[str, Array]] = []
    for row, frames in enumerate(_lengths(lengths, ports[0], arrays[ports[0].name])):
        found.append({port.name: _example(port, arrays[port.name], [row], int(frames)) for port in ports})
    return found


def outputs_for(model: Model, data: Mapping[str, Array]) -> Arrays:
    """Every output of a file for the examples of ``data``, streamed, the example axis where ``batch`` is."""
    runs = Runs(model)
    ports = _ports(model.contract, data)
    pieces: list[tuple[Array, Arrays]] = []
    for rows, frames in _groups(model, data):
        inputs = {
            port.name: _example(port, data[port.name], rows, frames).astype(port.dtype, copy=False) for port in ports
        }
        pieces.append((rows, runs.whole(inputs, [frames])))
    return {port.name: _joined(port.name, port.time_axis, pieces) for port in model.contract.with_role("output")}


def _groups(model: Model, data: Mapping[str, Array]) -> Iterator[tuple[Array, int]]:
    """Examples of equal length, so many as are run at once."""
    port = model.contract.with_role("frame")[0]
    array = data[port.name]
    if array.ndim != len(port.shape) or "batch" not in port.shape:
        raise UsageError(f"data for {port.name} do not fit", got=list(array.shape), wanted=str(list(port.shape)))
    whole = int(array.shape[port.time_axis or 0] / port.ratio)
    count = array.shape[port.shape.index("batch")]
    lengths = _lengths(data.get("lengths", np.full(count, whole)), port, array)
    for frames in np.unique(lengths):
        rows = np.flatnonzero(lengths == frames)
        for first in range(0, len(rows), _ROWS):
            yield rows[first : first + _ROWS], int(frames)


def _ports(contract: Contract, data: Mapping[str, Array]) -> tuple[Port, ...]:
    """The inputs of a file; UsageError where the data lack one."""
    ports = contract.with_role("frame") + contract.with_role("conditioning")
    for port in ports:
        if port.name not in data:
            raise UsageError(
                f"the data have no {port.name}", got=", ".join(data) or "nothing", wanted="every input of the file"
            )
    return ports


def _lengths(lengths: Any, port: Port, array: Array) -> Array:
    """Base frames of every example; UsageError where they are no numbers within the data of ``port``."""
    found = np.asarray(lengths)
    whole = int(array.shape[port.time_axis or 0] / port.ratio)
    count = array.shape[port.shape.index("batch")] if "batch" in port.shape else 1
    if found.shape != (count,) or found.dtype.kind not in "iu" or (found < 1).any() or (found > whole).any():
        raise UsageError(
            "the lengths do not fit the data",
            got=f"{found.dtype}[{','.join(map(str, found.shape))}]",
            wanted=f"integers for {count} examples, each from 1 to {whole} frames",
        )
    return found


def _example(port: Port, array: Array, rows: Any, frames: int) -> Array:
    """These rows of what the data have for a port, so many base frames of it."""
    if "batch" in port.shape:
        array = array.take(rows, port.shape.index("batch"))
    if port.time_axis is not None:
        array = array.take(range(int(frames * port.ratio)), port.time_axis)
    return np.ascontiguousarray(array)


def _joined(name: str, time_axis: int | None, pieces: list[tuple[Array, Arrays]]) -> Array:
    """The rows of all groups in their places, shorter ones filled with zeros."""
    count = 1 + max(int(rows.max()) for rows, _ in pieces)
    shape = list(pieces[0][1][name].shape)
    if time_axis is not None:
        shape[time_axis] = max(found[name].shape[time_axis] for _, found in pieces)
    whole = np.zeros((count, *shape[1:]), pieces[0][1][name].dtype)
    for rows, found in pieces:
        for row, part in zip(rows, found[name], strict=True):
            whole[int(row)][tuple(slice(0, size) for size in part.shape)] = part
    return whole
