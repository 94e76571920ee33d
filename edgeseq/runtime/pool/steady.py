"""The tick of before once more: the same slots, as many frames, nothing opened, ended or reset in between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeseq.contract import Port
from edgeseq.runtime.devices import Array
from edgeseq.runtime.finite import all_finite
from edgeseq.runtime.pool.asked import Asked
from edgeseq.runtime.pool.rows import Rows
from edgeseq.runtime.pool.shard import BROKEN, OPEN, Shard
from edgeseq.runtime.schedule import frames_of

_NEVER = 2**62


class Steady:
    """A tick that took one call over rows as they lie, and gave nothing that is not real.

    It holds until something else is done with its ``slots``. ``base_frames`` are those of all of them together. While
    it is under way its streams are marked as broken, as in any tick.
    """

    def __init__(
        self,
        shard: Shard,
        rows: Rows,
        slots: Array,
        port: Port,
        frames: Array,
        each: int,
        outputs: Mapping[str, Array],
        left: int,
    ) -> None:
        """``left``: base frames that the longest of the streams may still take, ``each`` of them in a tick."""
        self.slots = slots
        self.base_frames = each * len(slots)
        self._rows = rows
        self._first, self._last = int(slots[0]), int(slots[-1]) + 1
        self._state = shard.state[self._first : self._last]
        self._port = port
        self._shape, self._dtype = frames.shape, frames.dtype
        self._outputs = {name: (array.shape, array.dtype) for name, array in outputs.items()}
        self._each = each
        self._left = left
        self._fed: Any = 0

    @classmethod
    def after(
        cls,
        shard: Shard,
        asked: Asked,
        ports: tuple[Port, ...],
        outputs: tuple[Port, ...],
        made: Mapping[str, Any],
        limit: int | None,
    ) -> Steady | None:
        """The tick that was ``asked`` and that ``made`` these outputs, where it may come again as it is."""
        port, each = ports[0], int(asked.counts[0])
        frames = asked.frames[port.name]
        rows = shard.steady(asked.slots, each)
        uniform = (asked.counts == each).all() and frames.shape[port.time_axis or 0] == frames_of(port, each)
        whole = all(
            isinstance(made[output.name], np.ndarray)
            and made[output.name].shape[output.time_axis or 0] == frames_of(output, each)
            for output in outputs
        )
        if rows is None or not uniform or not whole:
            return None
        left = _NEVER if limit is None else limit - int(rows.fed[asked.slots].max())
        return cls(shard, rows, asked.slots, port, frames, each, made, left)

    def takes(self, slots: Any, frames: Any, out: Any, finite: bool) -> bool:
        """Whether these are the slots of before, and frames and ``out`` such that nothing has to be looked at again."""
        return (
            type(frames) is np.ndarray
            and frames.shape == self._shape
            and frames.dtype is self._dtype
            and frames.flags.c_contiguous
            and type(slots) is np.ndarray
            and slots.shape == self.slots.shape
            and slots.dtype.kind in "iu"
            and self._left >= self._each
            and (out is None or self._fits(out, frames))
            and bool((slots == self.slots).all())
            and (not finite or all_finite(frames))
            and self._in_range(frames)
        )

    def begin(self) -> None:
        """Mark the streams as broken, until :meth:`end`."""
        self._fed = self._rows.fed[self._first]
        self._state[:] = BROKEN

    def end(self, through: bool) -> None:
        """Open the streams again, where the answer is there, or where they have not moved."""
        if through or self._rows.fed[self._first] == self._fed:
            self._state[:] = OPEN

    def step(self, frames: Array, out: Mapping[str, Any] | None) -> dict[str, Array]:
        """Run the call and return the outputs, in ``out`` where it is given. Raises what onnxruntime raises."""
        results = self._empty() if out is None else dict(out)
        self._rows.again(self._first, self._last, {self._port.name: frames}, self._each, results)
        self._left -= self._each
        return results

    def _empty(self) -> dict[str, Array]:
        return {name: np.empty(shape, dtype) for name, (shape, dtype) in self._outputs.items()}

    def _fits(self, out: Any, frames: Array) -> bool:
        named = out if isinstance(out, Mapping) else dict.fromkeys(self._outputs, out)
        return named.keys() == self._outputs.keys() and all(
            type(array) is np.ndarray
            and (array.shape, array.dtype) == self._outputs[name]
            and array.flags.c_contiguous
            and array.flags.writeable
            and not np.may_share_memory(array, frames)
            for name, array in named.items()
        )

    def _in_range(self, frames: Array) -> bool:
        if self._port.range is None or frames.dtype.kind not in "iu":
            return True
        low, high = self._port.range
        return bool(frames.min() >= low and frames.max() <= high)
