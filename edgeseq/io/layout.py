"""Between ``[rows, time, features]`` and the axes of a port, in whichever order it has them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseq.contract import Port
from edgeseq.errors import UsageError

Array = npt.NDArray[Any]


class Layout:
    """Where a port of float32 has its batch, its time and its features, of which there are ``width``."""

    def __init__(self, port: Port) -> None:
        """UsageError where the port has no time, other axes than those three, or other numbers than float32."""
        batch = port.shape.index("batch") if "batch" in port.shape else None
        others = [place for place in range(len(port.shape)) if place not in (batch, port.time_axis)]
        sizes = [port.shape[place] for place in others]
        unsized = len(others) > 1 or not all(isinstance(size, int) for size in sizes)
        if port.time_axis is None or port.dtype != "float32" or unsized:
            raise _unfit(port)
        self.name = port.name
        self.width = int(sizes[0]) if sizes else 1
        self.has_batch = batch is not None
        self._order = [{batch: 0, port.time_axis: 1}.get(place, 2) for place in range(len(port.shape))]
        self._dropped = tuple(axis for axis in range(3) if axis not in self._order)

    def put(self, rows: Array) -> Array:
        """``[rows, time, features]`` as the port has it, a view."""
        dropped = rows.squeeze(self._dropped)
        kept = [axis for axis in range(3) if axis not in self._dropped]
        return dropped.transpose([kept.index(axis) for axis in self._order])

    def take(self, array: Array) -> Array:
        """The port's array as ``[rows, time, features]``, a view."""
        return np.expand_dims(array.transpose(np.argsort(self._order)), self._dropped)


def _unfit(port: Port) -> UsageError:
    return UsageError(
        f"{port.name} is not for an adapter of samples",
        got=f"{port.dtype}[{','.join(map(str, port.shape))}]",
        wanted="float32 with the axes batch, time and at most one of fixed size",
        do="give frames=Frames(..., features=, apply=), which make its inputs and use its outputs",
    )
