"""The frames that wait inside a stream until there are enough for a call."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from edgeseq.contract import Contract
from edgeseq.runtime.devices import Array
from edgeseq.runtime.schedule import along, frames_of


class Waiting:
    """Fewer base frames than the chunk's multiple, of every input in ``arrays``; ``frames`` counts them."""

    __slots__ = ("_multiple", "_ports", "arrays", "frames")

    def __init__(self, contract: Contract) -> None:
        self._ports = contract.with_role("frame")
        self._multiple = contract.chunk.multiple
        self.drop()

    def drop(self) -> None:
        """Let nothing wait."""
        self.put({}, 0)

    def put(self, arrays: Mapping[str, Array], frames: int) -> None:
        """Let ``arrays`` wait, which hold so many base frames and are never written to."""
        self.arrays, self.frames = arrays, frames

    def cut(self, frames: int) -> None:
        """Let only the first ``frames`` of the base frames wait that do."""
        self.keep(self.arrays, 0, frames)

    def ready(self, taken: int) -> int:
        """How many base frames go to the graph when ``taken`` more come in: whole multiples."""
        return (self.frames + taken) // self._multiple * self._multiple

    def join(self, frames: Mapping[str, Array]) -> Mapping[str, Array]:
        """The waiting frames and then ``frames``, by input."""
        if not self.frames:
            return frames
        return {
            port.name: np.concatenate([self.arrays[port.name], frames[port.name]], axis=port.time_axis or 0)
            for port in self._ports
        }

    def keep(self, joined: Mapping[str, Array], fed: int, rest: int) -> None:
        """Let the last ``rest`` base frames of ``joined`` wait, after the first ``fed`` went to the graph."""
        arrays = {}
        for port in self._ports if rest else ():
            part = along(port.time_axis or 0, frames_of(port, fed), frames_of(port, fed + rest))
            arrays[port.name] = joined[port.name][part].copy()
        self.put(arrays, rest)
