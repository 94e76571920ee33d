"""One answer of several chunks, cut into what each of them made ready."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edgeseq.contract import Contract
from edgeseq.runtime.answers import Answers
from edgeseq.runtime.devices import Array
from edgeseq.runtime.schedule import along, given


class Splitting:
    """Cuts along the outputs' time axes. An output without one has its last value in every part."""

    def __init__(self, contract: Contract, chunk: int, room: Mapping[str, int]) -> None:
        """``room``: the most frames of one part, by output with a time axis."""
        self._ports = contract.with_role("output")
        self._multiple = contract.chunk.multiple
        self._chunk = chunk
        self._room = room

    def named(self, answer: Answers) -> Mapping[str, Array]:
        """The answer's arrays by output."""
        return answer if isinstance(answer, dict) else {self._ports[0].name: answer}

    def parts(self, answer: Answers, before: int, count: int) -> Iterator[Mapping[str, Array]]:
        """What each of ``count`` chunks made ready, after ``before`` base frames."""
        arrays = self.named(answer)
        if count == 1:
            yield arrays
            return
        bounds = {name: self._bounds(name, before, count) for name in self._room}
        for index in range(count):
            yield self._part(arrays, {name: (ends[index], ends[index + 1]) for name, ends in bounds.items()})

    def tail(self, answer: Answers) -> Iterator[Mapping[str, Array]]:
        """What a flush gave, in parts that fit, at least one."""
        arrays, begin = self.named(answer), 0
        axes = {port.name: port.time_axis or 0 for port in self._ports}
        left = {name: arrays[name].shape[axes[name]] for name in self._room}
        while begin == 0 or any(begin * room < left[name] for name, room in self._room.items()):
            yield self._part(arrays, {name: (begin * room, (begin + 1) * room) for name, room in self._room.items()})
            begin += 1

    def _bounds(self, name: str, before: int, count: int) -> list[int]:
        """Where the frames of each chunk end, from 0 for what was ready before."""
        port = next(port for port in self._ports if port.name == name)
        ends = [
            given(port, (before + index * self._chunk) // self._multiple * self._multiple) for index in range(count + 1)
        ]
        return [end - ends[0] for end in ends]

    def _part(self, arrays: Mapping[str, Array], bounds: Mapping[str, tuple[int, int]]) -> dict[str, Array]:
        return {
            port.name: arrays[port.name][along(port.time_axis, *bounds[port.name])]
            if port.time_axis is not None
            else arrays[port.name]
            for port in self._ports
        }
