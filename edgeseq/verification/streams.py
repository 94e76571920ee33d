"""Running a finished file as a stream, for the laws to compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from edgeseq.contract import Contract, Port
from edgeseq.runtime import Model
from edgeseq.verification.arrays import Arrays


def random_chunks(frames: int, seed: int, largest: int = 9) -> list[int]:
    """Chunk sizes that add up to ``frames``: single frames, small and larger ones, a multiple of nothing."""
    generator = np.random.default_rng(seed)
    sizes: list[int] = []
    while sum(sizes) < frames:
        size = 1 if generator.random() < 0.4 else int(generator.integers(2, largest + 1))
        sizes.append(min(size, frames - sum(sizes)))
    return sizes


class Runs:
    """Streams over one loaded file."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.contract: Contract = model.contract

    @property
    def batched(self) -> bool:
        """True where the file takes more than one row."""
        return any("batch" in port.shape for port in self.contract.with_role("frame"))

    def whole(self, inputs: Arrays, chunks: Sequence[int], *, stream: Any = None) -> Arrays:
        """Every frame of every output: the steps' and the flush's, concatenated along time.

        A file that runs whole sequences is run at once.
        """
        if self.contract.whole_sequences:
            timed = {port.name: inputs[port.name] for port in self.contract.with_role("frame")}
            return self.named(self.model.run(timed, self._conditioning(inputs), on_nonfinite="pass"))
        stream = stream or self.open(inputs)
        pieces = [self.named(stream.step(self.cut(inputs, first, last))) for first, last in _spans(chunks)]
        pieces.append(self.named(stream.flush()))
        return self.joined(pieces)

    def summaries(self, inputs: Arrays, chunks: Sequence[int]) -> Iterator[tuple[int, Arrays]]:
        """After each step, the frames so far and the outputs that have no time axis."""
        stream = self.open(inputs)
        for first, last in _spans(chunks):
            answer = self.named(stream.step(self.cut(inputs, first, last)))
            yield (
                last,
                {port.name: answer[port.name] for port in self.contract.with_role("output") if port.length is None},
            )

    def open(self, inputs: Arrays) -> Any:
        """A stream with the batch and the conditioning that ``inputs`` have."""
        return self.model.stream(batch=self.batch(inputs), conditioning=self._conditioning(inputs), on_nonfinite="pass")

    def _conditioning(self, inputs: Arrays) -> Arrays | None:
        return {port.name: inputs[port.name] for port in self.contract.with_role("conditioning")} or None

    def batch(self, inputs: Mapping[str, np.ndarray[Any, Any]]) -> int:
        """The batch size of some inputs."""
        port = self.contract.with_role("frame")[0]
        return inputs[port.name].shape[port.shape.index("batch")] if "batch" in port.shape else 1

    def cut(self, inputs: Arrays, first: int, last: int) -> Arrays:
        """The base frames from ``first`` to ``last`` of every frame input."""
        return {
            port.name: frames_between(port, inputs[port.name], first, last) for port in self.contract.with_role("frame")
        }

    def named(self, answer: Any) -> Arrays:
        """An answer of the stream as a dict, also where there is one output."""
        if isinstance(answer, dict):
            return answer
        return {self.contract.with_role("output")[0].name: answer}

    def joined(self, pieces: Sequence[Arrays]) -> Arrays:
        """Frames concatenated along time; of a summary, the last."""
        return {
            port.name: pieces[-1][port.name]
            if port.time_axis is None
            else np.concatenate([piece[port.name] for piece in pieces], port.time_axis)
            for port in self.contract.with_role("output")
        }


def frames_between(port: Port, array: np.ndarray[Any, Any], first: int, last: int) -> np.ndarray[Any, Any]:
    """The frames of a port that belong to the base frames from ``first`` to ``last``."""
    return np.take(array, range(int(first * port.ratio), int(last * port.ratio)), axis=port.time_axis)


def _spans(chunks: Sequence[int]) -> Iterator[tuple[int, int]]:
    first = 0
    for size in chunks:
        yield first, first + size
        first += size
