"""How frames travel: as they lie in memory."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from edgeseq.contract import Port
from edgeseq.errors import ShapeError, UsageError


@dataclass(frozen=True)
class Layout:
    """How frames of one stream lie in a message, little-endian; ``shape`` has 1 for the batch, -1 for the frames."""

    dtype: str
    shape: tuple[int, ...]

    @classmethod
    def of(cls, port: Port) -> Layout:
        """The layout of a port; UsageError where the size of an axis is not known."""
        shape = tuple({"batch": 1, "time": -1}.get(str(axis), axis) for axis in port.shape)
        if not all(isinstance(size, int) for size in shape):
            raise UsageError("the size of an axis is not known", where=port.name, got=str(list(port.shape)))
        return cls(np.dtype(port.dtype).newbyteorder("<").str, tuple(int(size) for size in shape))

    def pack(self, frames: np.ndarray) -> bytes:
        """Frames as a message."""
        return frames.astype(self.dtype, copy=False).tobytes()

    def unpack(self, message: str | bytes) -> np.ndarray:
        """A message as frames, read where they lie; ShapeError where it does not hold whole frames."""
        each = np.dtype(self.dtype).itemsize * abs(math.prod(self.shape))
        if isinstance(message, str) or not message or len(message) % each:
            got = "text" if isinstance(message, str) else f"{len(message)} bytes"
            raise ShapeError("a message does not hold whole frames", got=got, wanted=f"a multiple of {each} bytes")
        return np.frombuffer(message, self.dtype).reshape(self.shape)
