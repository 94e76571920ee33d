"""Frames into the graph and answers out of it: the part of a stream that moves it on, piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from edgeseq.contract import Port, resolve_shape
from edgeseq.runtime.answers import Answer, Answers
from edgeseq.runtime.devices import Array
from edgeseq.runtime.missing import PIECE
from edgeseq.runtime.restorable import Restorable
from edgeseq.runtime.schedule import fed_at_end, frames_of, round_up
from edgeseq.runtime.states import zeros


class Advancing(Restorable):
    """The part of a stream that goes on over any number of frames; ``Stream`` checks what it is given."""

    __slots__ = ()

    def _rest(self, total: int, lengths: Mapping[str, int]) -> Answers:
        """Feed what waits and the filler after it; what is still owed."""
        feeder = self._feeder
        before = feeder.fed
        end = fed_at_end(self._contract, total, before) if total else 0
        answer = Answer(self._out_ports, self._sizes, self._given(before), lengths)
        self._fast = None
        feeder.reserve(end)
        for frames, size in self._last_pieces(end - before):
            feeder.feed(frames, size, answer, total, applied=feeder.fed > before)
        answer.settle(feeder.finals())
        self._waiting.drop()
        self._total = total
        return answer.value

    @contextmanager
    def _or_broken(self) -> Iterator[None]:
        """What is raised inside, an interrupt too, leaves the stream as it was, or broken where a part was applied."""
        before = self._feeder.fed, self._waiting.frames
        try:
            yield
        except BaseException:
            self._fast = None
            if (self._feeder.fed, self._waiting.frames) != before:
                self._feeder.broken = True
            raise

    def _advance(self, pieces: Iterator[tuple[Mapping[str, Array], int]], taken: int, out: Any) -> Answers:
        """Feed ``taken`` base frames, which come in pieces, each with its number of base frames; the frames ready."""
        feeder, waiting = self._feeder, self._waiting
        before, end = feeder.fed, feeder.fed + waiting.ready(taken)
        answer = Answer(self._out_ports, self._sizes, self._given(before), self._given(end), out)
        self._fast = None
        feeder.reserve(end)
        for frames, size in pieces:
            ready, joined = waiting.ready(size), waiting.join(frames)
            feeder.feed(joined, ready, answer, applied=feeder.fed > before)
            waiting.keep(joined, ready, waiting.frames + size - ready)
        answer.settle(feeder.finals())
        self._choose_fast(before)
        return answer.value

    def _made_up(self, base_frames: int) -> Iterator[tuple[Mapping[str, Array], int]]:
        """What stands in for missing frames, in pieces that all but the last are of one size."""
        most = round_up(PIECE, self._contract.chunk.multiple)
        for begin in range(0, base_frames, most):
            size = min(most, base_frames - begin)
            yield self._missing.frames(size), size

    def _last_pieces(self, base_frames: int) -> Iterator[tuple[Mapping[str, Array], int]]:
        """What waits and filler after it, in pieces as those of missing frames."""
        most = round_up(PIECE, self._contract.chunk.multiple)
        for begin in range(0, base_frames, most):
            size = min(most, base_frames - begin)
            waiting = 0 if begin else self._waiting.frames
            filler = {port.name: self._filler(port, size - waiting) for port in self._ports}
            yield self._waiting.join(filler) if waiting else filler, size

    def _choose_fast(self, before: int) -> None:
        """Set the call that ``step`` may repeat without further thought, and the position up to which it may."""
        call = self._feeder.last
        if call is not None and self._feeder.fed - before == call.base_frames:
            self._repeat_at_once()

    def _filler(self, port: Port, base_frames: int) -> Array:
        """Zeros that follow the last real frame."""
        sizes = {**self._sizes, "time": frames_of(port, base_frames)}
        return zeros(resolve_shape(port.shape, sizes), np.dtype(port.dtype))
