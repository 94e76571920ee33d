"""What a model is for, as a number: a metric of its outputs on data with their targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

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
    which less is better has the attribute ``lower_is_better``, true.
    """

    metric: Metric
    data: Mapping[str, Array]
    max_loss: float | None = None

    def score(self, model: Model) -> float:
        """The metric of a file; UsageError where data or metric do not fit it."""
        outputs = outputs_for(model, self.data)
        value = self.metric(outputs, self.data)
        if not isinstance(value, (int, float, np.number)) or not np.isfinite(value):
            raise UsageError("the metric gives no finite number", got=repr(value), where=_name(self.metric))
        return float(value)

    def lost(self, before: float, after: float) -> float:
        """The share of ``before`` that is lost; below zero where it is better."""
        change = before - after
        if getattr(self.metric, "lower_is_better", False):
            change = -change
        return change / abs(before) if before else float(np.sign(change) * np.inf if change else 0.0)

    def compared(self, float_model: Model, model: Model) -> dict[str, Any]:
        """Both files' values, and what is lost."""
        before, after = self.score(float_model), self.score(model)
        return {"metric": _name(self.metric), "float": before, "quantized": after, "lost": self.lost(before, after)}


def outputs_for(model: Model, data: Mapping[str, Array]) -> Arrays:
    """Every output of a file for the examples of ``data``, streamed, the example axis where ``batch`` is."""
    runs = Runs(model)
    ports = model.contract.with_role("frame") + model.contract.with_role("conditioning")
    for port in ports:
        if port.name not in data:
            raise UsageError(f"the data have no {port.name}", got=", ".join(data), wanted="every input of the file")
    pieces: list[tuple[Array, Arrays]] = []
    for rows, frames in _groups(model, data):
        inputs = {}
        for port in ports:
            axis = port.shape.index("batch") if "batch" in port.shape else None
            array = data[port.name] if axis is None else data[port.name].take(rows, axis)
            if port.time_axis is not None:
                array = array.take(range(int(frames * port.ratio)), port.time_axis)
            inputs[port.name] = np.ascontiguousarray(array.astype(port.dtype, copy=False))
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
    lengths = np.asarray(data.get("lengths", np.full(count, whole)))
    for frames in np.unique(lengths):
        rows = np.flatnonzero(lengths == frames)
        for first in range(0, len(rows), _ROWS):
            yield rows[first : first + _ROWS], int(frames)


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


def _name(metric: Metric) -> str:
    return f"{getattr(metric, '__module__', '')}:{getattr(metric, '__name__', metric)}"
