"""What the shards of a pool made ready, put together again as the caller asked for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeseq.contract import Port
from edgeseq.runtime.devices import Array
from edgeseq.runtime.pool.ready import Ready
from edgeseq.runtime.pool.stores import batch_axis


def merged(ports: tuple[Port, ...], parts: Sequence[Ready], order: Array | None) -> dict[str, Any]:
    """Every output for all rows: an array, or a list where rows have different numbers of frames.

    ``order`` is where each row was given.
    """
    return {port.name: _output(port, parts, order) for port in ports}


def _output(port: Port, parts: Sequence[Ready], order: Array | None) -> Any:
    if len(parts) == 1 and order is None:
        return parts[0].by_row(port)
    rows: Any = [part.by_row(port) for part in parts]
    if any(isinstance(part, list) for part in rows) or len({array.shape[port.time_axis or 0] for array in rows}) > 1:
        return _listed(port, parts, order)
    axis = batch_axis(port.name, port.shape)
    joined = rows[0] if len(rows) == 1 else np.concatenate(rows, axis)
    if order is None:
        return joined
    made = np.empty_like(joined)
    np.moveaxis(made, axis, 0)[order] = np.moveaxis(joined, axis, 0)
    return made


def _listed(port: Port, parts: Sequence[Ready], order: Array | None) -> list[Array]:
    rows = [row for part in parts for row in part.rows(port)]
    if order is None:
        return rows
    placed: list[Any] = [None] * len(rows)
    for place, row in zip(order.tolist(), rows, strict=True):
        placed[place] = row
    return placed


def row_of(port: Port, rows: Any, place: int, batched: bool) -> Array:
    """One row of an output, with a batch axis of one where it is ``batched``."""
    axis = batch_axis(port.name, port.shape)
    row: Array = rows[place] if isinstance(rows, list) else np.take(rows, place, axis)
    return np.expand_dims(row, axis) if batched else row


def rows_of(port: Port, rows: Any, batched: Sequence[bool]) -> list[Array]:
    """All rows of an output, each an array of its own, with a batch axis of one where it is ``batched``."""
    axis = batch_axis(port.name, port.shape)
    each = rows if isinstance(rows, list) else [row.copy() for row in np.moveaxis(rows, axis, 0)]
    return [np.expand_dims(row, axis) if whole else row for row, whole in zip(each, batched, strict=True)]
