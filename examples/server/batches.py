"""WebSocket frames (RFC 6455, 5.2) of many connections as arrays: all of one size, so all with one head."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np

from edgeseq.errors import UsageError
from examples.server.hello import Hello

MASK = 4


class Batches:
    """Messages of one frame of a stream: ``size`` bytes, ``whole`` with the ``head`` and the mask in front."""

    def __init__(self, hello: Hello) -> None:
        """UsageError where streams are not the first axis."""
        if hello.frame.shape[0] != 1 or hello.answer.shape[0] != 1:
            raise UsageError(
                "a batch of this model cannot be cut into streams as it lies", wanted="its batch axis first"
            )
        self._dtype, self._shape = np.dtype(hello.frame.dtype), tuple(abs(size) for size in hello.frame.shape[1:])
        self.size = self._dtype.itemsize * math.prod(self._shape)
        self.head = head(self.size, masked=True)
        self.whole = len(self.head) + MASK + self.size

    def cut(self, data: bytes) -> list[bytes] | None:
        """Data as messages, where it is nothing but whole ones of this size."""
        if len(data) == self.whole and data.startswith(self.head):
            return [data]
        cuts = range(0, len(data), self.whole)
        if len(data) % self.whole or not all(data.startswith(self.head, at) for at in cuts):
            return None
        return [data[at : at + self.whole] for at in cuts]

    def masked(self, payload: bytes) -> bytes:
        """A message as it might have come."""
        return self.head + bytes(MASK) + payload

    def unmasked(self, messages: list[bytes]) -> np.ndarray:
        """The frames in some messages, ``[streams, ...]``."""
        rows = np.frombuffer(b"".join(messages), np.uint8).reshape(len(messages), self.whole)
        mask = np.tile(rows[:, len(self.head) : -self.size], (1, -(-self.size // MASK)))
        frames = rows[:, -self.size :] ^ mask[:, : self.size]
        return frames.view(self._dtype).reshape(len(messages), *self._shape)


def framed(answers: Any) -> list[bytes]:
    """A message for each row of a batch of answers, or of a list where they differ in length."""
    if isinstance(answers, list):
        return [message for answer in answers for message in framed(answer[None])]
    data = np.ascontiguousarray(answers).reshape(len(answers), -1)
    front = head(data[0].nbytes, masked=False)
    return [front + row.tobytes() for row in data]


def head(size: int, masked: bool) -> bytes:
    """The first bytes of a binary message of ``size`` bytes."""
    bit = 0x80 * masked
    if size < 126:
        return struct.pack("!BB", 0x82, bit | size)
    return struct.pack("!BBH", 0x82, bit | 126, size) if size < 2**16 else struct.pack("!BBQ", 0x82, bit | 127, size)
