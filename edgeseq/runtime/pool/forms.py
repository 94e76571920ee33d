"""What the frames of one stream look like: what was checked once need not be checked for every frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edgeseq.runtime.devices import Array
from edgeseq.runtime.pool.asked import frames_of_one
from edgeseq.runtime.pool.stores import batch_axis

if TYPE_CHECKING:
    from edgeseq.runtime.pool.pool import Pool

#: Shapes to remember: frames come in few sizes, but nobody can make it grow.
_MOST = 64


class Forms:
    """Dtypes and shapes that a pool of one input found to fit, and what they mean; values are the tick's business."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._port = pool.ports[0]
        self._axis = batch_axis(self._port.name, self._port.shape)
        self._known: dict[tuple[np.dtype[Any], tuple[int, ...]], tuple[int, bool]] = {}

    def take(self, frames: Any) -> tuple[dict[str, Array], int, bool]:
        """The frames with a batch axis, how many base frames they are, and whether they came with one; ShapeError."""
        if type(frames) is not np.ndarray or len(self._pool.ports) > 1:
            return frames_of_one(self._pool, frames)
        form = frames.dtype, frames.shape
        known = self._known.get(form)
        if known is None:
            given, count, batched = frames_of_one(self._pool, frames)
            if len(self._known) < _MOST:
                self._known[form] = count, batched
            return given, count, batched
        count, batched = known
        return {self._port.name: frames if batched else np.expand_dims(frames, self._axis)}, count, batched
