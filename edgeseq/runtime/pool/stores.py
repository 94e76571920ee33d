"""The tensors of many streams, a row each, in one array that a call can look into without a copy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from edgeseq.contract import Axis, Port, axis_parts, resolve_shape
from edgeseq.errors import UsageError
from edgeseq.runtime.devices import Array
from edgeseq.runtime.schedule import along
from edgeseq.runtime.states import zeros


class Store:
    """One tensor of the graph for ``rows`` streams, on one side or on two that take turns.

    ``array`` is [sides * rows, ...], the batch axis in front; *place* ``side * rows + row`` is what a row holds on that
    side. Where every axis before the batch is of size 1, consecutive places are the graph's own tensor.
    """

    __slots__ = ("_axis", "_before", "array", "rows", "sliceable")

    def __init__(
        self, name: str, shape: tuple[Axis, ...], dtype: str, rows: int, sides: int, sizes: Mapping[str, int]
    ) -> None:
        """``sizes`` are those of all named axes but the batch."""
        self._axis = batch_axis(name, shape)
        rest = resolve_shape((*shape[: self._axis], *shape[self._axis + 1 :]), sizes)
        self._before = rest[: self._axis]
        self.rows = rows
        self.sliceable = math.prod(self._before) == 1
        self.array = zeros((sides * rows, *rest), np.dtype(dtype))

    @property
    def row_bytes(self) -> int:
        """Bytes of one row on one side."""
        return int(self.array[0].nbytes)

    def slice(self, first: int, last: int) -> Array:
        """The graph's tensor over some places, sharing their memory; of a single one, if not ``sliceable``."""
        assert self.sliceable or last - first == 1
        part = self.array[first:last]
        return part.reshape((*self._before, last - first, *part.shape[1 + self._axis :]))

    def empty(self, rows: int) -> Array:
        """A tensor of the graph for so many rows, of zeros."""
        rest = self.array.shape[1:]
        return np.zeros((*self._before, rows, *rest[self._axis :]), self.array.dtype)

    def gather(self, places: Array, into: Array) -> None:
        """Copy these places to the first rows of a tensor of the graph."""
        self.rows_of(into)[: len(places)] = self.array[places]

    def scatter(self, places: Array, source: Array) -> None:
        """Copy the first rows of a tensor of the graph to these places."""
        self.array[places] = self.rows_of(source)[: len(places)]

    def rows_of(self, tensor: Array) -> Array:
        """A tensor of the graph with its rows in front, sharing its memory."""
        return np.moveaxis(tensor, self._axis, 0)


def batch_axis(name: str, shape: tuple[Axis, ...]) -> int:
    """Which axis of a tensor is the batch; UsageError where its rows cannot be told apart."""
    named = [axis for axis in shape if isinstance(axis, str) and axis_parts(axis)[1] == "batch"]
    if named == ["batch"]:
        return shape.index("batch")
    raise UsageError(
        "the streams of a pool cannot be told apart in this model",
        where=name,
        got=f"shape [{', '.join(map(str, shape))}]",
        wanted="an axis that is the batch alone",
        why="it has no batch axis" if not named else "its batch shares an axis with something else",
        do="step its streams one by one, or in lock-step with model.stream(batch=N)",
    )


def row_time(port: Port) -> int:
    """The time axis of one row of a port's tensor, which has no batch axis."""
    time = port.time_axis or 0
    return time - (batch_axis(port.name, port.shape) < time)


def in_front(port: Port, first: int, last: int | None) -> tuple[Any, ...]:
    """The index of some frames of a tensor with its rows in front, behind that of the rows."""
    return along(row_time(port), first, last)


def has_batch(shape: tuple[Axis, ...]) -> bool:
    """Whether a shape has an axis that grows with the batch."""
    return any(isinstance(axis, str) and axis_parts(axis)[1] == "batch" for axis in shape)


def along_rows(ports: Iterable[Port], arrays: Mapping[str, Array], cut: slice) -> dict[str, Array]:
    """Some rows of the tensors of some ports."""
    axes = {port.name: batch_axis(port.name, port.shape) for port in ports}
    return {name: arrays[name][(*(slice(None),) * axis, cut)] for name, axis in axes.items()}
