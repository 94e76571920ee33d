"""What lies where in the shared memory: counters, histograms, conditioning, frames on their way in, answers out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edgeseq.contract import Contract, Port, resolve_shape
from edgeseq.errors import UsageError
from edgeseq.runtime.devices import Array
from edgeseq.runtime.paced import histogram
from edgeseq.runtime.paced.places import HEAD
from edgeseq.runtime.schedule import frames_of, round_up

#: Bytes for what a loop failed with.
FAILURE = 16_384
#: Numbers before the arrays of an answer: slot, due, begun, done, whether it was filled in; then frames per output.
ANSWER_HEAD = 5
_LINE = 64


@dataclass(frozen=True)
class Piece:
    """One array in the memory; ``offset`` counts bytes from its start."""

    offset: int
    dtype: str
    shape: tuple[int, ...]

    def of(self, memory: Array) -> Array:
        """The array, sharing ``memory``, which is of bytes."""
        dtype = np.dtype(self.dtype)
        size = math.prod(self.shape) * dtype.itemsize
        return memory[self.offset : self.offset + size].view(dtype).reshape(self.shape)


@dataclass(frozen=True)
class Slot:
    """One frame or one answer: a few numbers, and arrays by port."""

    head: Piece
    arrays: Mapping[str, Piece]


class Preface:
    """What the memory of every loop begins with, whatever its contract: counters, histograms, what it failed with."""

    def __init__(self) -> None:
        self._end = 0
        self.head = self._piece("int64", (HEAD,))
        self.histograms = {name: self._piece("int64", (histogram.SIZE,)) for name in histogram.KINDS}
        self.failure = self._piece("uint8", (FAILURE,))
        self.size = self._end

    def _piece(self, dtype: str, shape: tuple[int, ...]) -> Piece:
        piece = Piece(self._end, dtype, tuple(shape))
        self._end += -(-math.prod(shape) * np.dtype(dtype).itemsize // _LINE) * _LINE
        return piece


class Layout(Preface):
    """Where everything lies; both sides compute the same from the same settings."""

    def __init__(self, contract: Contract, sizes: Mapping[str, int], chunk: int, queue: int, answers: int) -> None:
        """``sizes`` are those of named axes, ``chunk`` base frames go in at once, ``queue`` and ``answers`` such slots.

        UsageError where an input has no whole number of frames in a chunk.
        """
        super().__init__()
        self.ports = contract.with_role("frame")
        self.outputs = contract.with_role("output")
        self.axes = {port.name: port.time_axis for port in self.outputs}
        check_chunk(self.ports, chunk)
        self.conditioning = {
            port.name: self._piece(port.dtype, resolve_shape(port.shape, sizes))
            for port in contract.with_role("conditioning")
        }
        given = {port.name: (port, frames_of(port, chunk)) for port in self.ports}
        fed = round_up(chunk, contract.chunk.multiple)
        # One frame more: where multiples of a chunk and of the graph's calls do not meet, rounding may add one.
        self.room = {port.name: frames_of(port, fed) + 1 for port in self.outputs if port.time_axis is not None}
        ready = {port.name: (port, self.room.get(port.name, 1)) for port in self.outputs}
        self.frames = [self._slot(1, given, sizes) for _ in range(queue)]
        # Two more than are kept: one that is being written, one that a reader may be in the middle of.
        self.answers = [self._slot(ANSWER_HEAD + len(self.outputs), ready, sizes) for _ in range(answers + 2)]
        self.kept = answers
        self.size = self._end

    def _slot(self, head: int, ports: Mapping[str, tuple[Port, int]], sizes: Mapping[str, int]) -> Slot:
        arrays = {
            name: self._piece(port.dtype, resolve_shape(port.shape, {**sizes, "time": frames}))
            for name, (port, frames) in ports.items()
        }
        return Slot(self._piece("int64", (head,)), arrays)


def check_chunk(ports: tuple[Port, ...], chunk: object) -> None:
    """UsageError for what is no number of base frames in which every input has whole frames."""
    if type(chunk) is not int or chunk < 1:
        raise UsageError("chunk must be a whole number from 1", got=repr(chunk))
    for port in ports:
        if chunk * port.ratio.numerator % port.ratio.denominator:
            raise UsageError(
                f"{port.name} has no whole number of frames in a chunk",
                got=f"{chunk} base frames",
                wanted=f"a multiple of {port.ratio.denominator}",
            )
