"""A pool driven at random, each of its streams compared with one of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseq import runtime
from edgeseq.errors import ShapeError
from edgeseq.runtime.pool import Pool
from edgeseq.runtime.stream import Stream

Array = npt.NDArray[Any]


@dataclass
class Driver:
    """Opens, steps, flushes, resets and closes streams of a pool, and does the same to one stream each.

    The streams of their own have two rows, both fed alike: onnxruntime takes another kernel for a single one, and a
    pool never does.
    """

    model: runtime.Model
    pool: Pool
    seed: int
    most_frames: int = 5
    max_context: int | None = None
    exact: bool = True
    twins: dict[int, Stream] = field(default_factory=dict)
    compared: int = 0

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        self.ports = self.model.contract.with_role("frame")
        self.outputs = self.model.contract.with_role("output")

    def run(self, ticks: int) -> None:
        """Do something at random, so many times."""
        for _ in range(ticks):
            if len(self.twins) < self.pool.capacity and self.random.random() < 0.6:
                self.open()
            if self.twins:
                self.step()
            if self.twins and self.random.random() < 0.25:
                self.end(int(self.random.choice(list(self.twins))))

    def open(self) -> None:
        """Open a stream."""
        given: dict[str, Array] = {}
        for port in self.model.contract.with_role("conditioning"):
            if "batch" in port.shape:
                shape = tuple(1 if axis == "batch" else axis for axis in port.shape)
                given[port.name] = self.random.standard_normal(shape).astype(np.float32)  # type: ignore[arg-type]
        slot = self.pool.open(given or None)
        twice = {name: np.repeat(array, 2, 0) for name, array in given.items()}
        self.twins[slot] = self.model.stream(2, conditioning=twice or None, max_context=self.max_context)

    def step(self) -> None:
        """Step some of the streams, in any order, by as many frames each or by different numbers."""
        some = self.random.permutation(list(self.twins))[: self.random.integers(1, len(self.twins) + 1)]
        slots = (np.sort(some) if self.random.random() < 0.5 else some).astype(np.int32)
        frames = int(self.random.integers(1, self.most_frames + 1))
        counts = None if self.random.random() < 0.5 else self.random.integers(1, frames + 1, len(slots))
        each = np.full(len(slots), frames) if counts is None else counts
        given = {port.name: self.drawn(port, len(slots), frames) for port in self.ports}
        expected = self.pool.expect(slots, each)
        answers = self.by_name(self.pool.step(slots, given, counts))
        for row, slot in enumerate(slots.tolist()):
            part = {
                port.name: np.repeat(given[port.name][row : row + 1], 2, 0)[along(port, int(each[row]))]
                for port in self.ports
            }
            wanted = self.by_name(self.twins[slot].step(part))
            self.compare(row, answers, wanted)
            if not isinstance(expected, dict):
                port = next(port for port in self.outputs if port.time_axis is not None)
                assert expected[row] == wanted[port.name].shape[port.time_axis or 0]

    def drawn(self, port: Any, rows: int, frames: int) -> Array:
        """Random frames of an input, a row per slot."""
        shape = tuple({"batch": rows, "time": frames}.get(axis, axis) for axis in port.shape)
        if port.dtype == "int64":
            return self.random.integers(0, int(port.range[1]) + 1, shape)
        return self.random.standard_normal(shape).astype(np.float32)

    def end(self, slot: int) -> None:
        """Flush and close a stream, or reset it."""
        if self.random.random() < 0.5:
            self.pool.reset(slot)
            self.twins[slot].reset()
            return
        wanted, refusal = flushed(self.twins[slot].flush)
        answers, other = flushed(lambda: self.pool.flush([slot]))
        assert refusal == other
        if wanted is not None:
            self.compare(0, self.by_name(answers), self.by_name(wanted))
        self.pool.close(slot)
        del self.twins[slot]

    def compare(self, row: int, answers: dict[str, Any], wanted: dict[str, Any]) -> None:
        """The row of a tick is what the stream of its own gave: bit for bit where both make the same calls."""
        for name, array in wanted.items():
            allowed = 0 if self.exact else 1e-5
            np.testing.assert_allclose(answers[name][row], array[0], rtol=allowed, atol=allowed, err_msg=name)
            self.compared += 1

    def by_name(self, answers: Any) -> dict[str, Any]:
        """Outputs by name, also where there is only one."""
        return answers if len(self.outputs) > 1 else {self.outputs[0].name: answers}


def flushed(flush: Callable[[], Any]) -> tuple[Any, str | None]:
    """What is still owed, or the refusal of a length."""
    try:
        return flush(), None
    except ShapeError as error:
        return None, str(error)


def along(port: Any, frames: int) -> tuple[slice, ...]:
    """The index of the first frames."""
    return (*(slice(None),) * port.time_axis, slice(0, frames))
