"""The least time that one step can take on this machine, by the roofline model.

S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance model for multicore architectures",
Communications of the ACM 52(4), 2009: what a program attains is bounded by the peak of arithmetic and by the bytes it
moves at the bandwidth of memory. Here the bandwidth is that of the cache which the bytes of a step fit, and the cost of
calling the engine comes on top.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from edgeseq.errors import UsageError
from edgeseq.lab.floor.speeds import Speeds, measure_speeds, rounded
from edgeseq.lab.floor.work import Step, Work, work_of
from edgeseq.runtime.loading import describe

Bound = Literal["memory", "arithmetic", "call"]


@dataclass(frozen=True)
class Floor:
    """What one step has to do, what this machine does at best, and the time that follows.

    ``floor_ns`` is the longer of reading and multiplying, and an empty call on top; ``bound`` names the longest of the
    three. ``working_set_bytes`` is the size at which reading was timed. ``source`` says where bytes and multiply-adds
    are from. The rest of a measured step is not in it: small operators, their calls, frames copied in and out.
    """

    position: int
    batch: int
    frames: int
    threads: int
    weight_bytes: int
    state_bytes: int
    multiply_adds: int
    integers: bool
    source: str
    working_set_bytes: int
    read_bytes_per_s: float
    multiply_adds_per_s: float
    call_ns: float
    read_ns: float
    multiply_ns: float
    floor_ns: float
    bound: Bound

    def distance(self, step_ns: float) -> float:
        """How many times the floor a measured step takes."""
        return step_ns / self.floor_ns

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON has them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Floor:
        """What :meth:`to_dict` gave; fields that this version does not know are left out."""
        return cls(**{item.name: value[item.name] for item in fields(cls)})


def measure_floor(
    path: str | os.PathLike[str],
    position: int = 0,
    batch: int = 1,
    frames: int | None = None,
    threads: int = 1,
    processes: int = 3,
) -> Floor:
    """The floor of a step of ``batch`` streams with ``position`` base frames behind them, ``frames`` at once.

    Without ``frames`` the fewest that the contract allows. Takes a few seconds: the machine's speeds are the median of
    ``processes`` fresh processes. Raises what ``describe`` raises, UsageError, ProviderError where a process fails.
    """
    return measure_floors([path], [position], batch, frames, threads, processes)[0][0]


def measure_floors(
    paths: Sequence[str | os.PathLike[str]],
    positions: Sequence[int] = (0,),
    batch: int = 1,
    frames: int | None = None,
    threads: int = 1,
    processes: int = 3,
) -> list[list[Floor]]:
    """The floors of several files, each at several positions; the machine's speeds are measured once for all."""
    _check(batch=batch, threads=threads, processes=processes, **({} if frames is None else {"frames": frames}))
    if any(type(position) is not int or position < 0 for position in positions):
        raise UsageError("a position must be a whole number from 0", got=list(positions))
    files = [describe(path) for path in paths]
    steps = [[Step(place, batch, frames or file.contract.chunk.multiple) for place in positions] for file in files]
    works = [[work_of(file, step) for step in row] for file, row in zip(files, steps, strict=True)]
    flat = [work for row in works for work in row]
    speeds = measure_speeds((work.bytes for work in flat), any(work.integers for work in flat), threads, processes)
    return [
        [floor(work, step, speeds, threads) for work, step in zip(*row, strict=True)]
        for row in zip(works, steps, strict=True)
    ]


def floor(work: Work, step: Step, speeds: Speeds, threads: int = 1) -> Floor:
    """The floor that work and speeds give."""
    reading, multiplying = speeds.reading(work.bytes), speeds.multiplying(work.integers)
    read_ns, multiply_ns = 1e9 * work.bytes / reading, 1e9 * work.multiply_adds / multiplying
    times: dict[Bound, float] = {"memory": read_ns, "arithmetic": multiply_ns, "call": speeds.call_ns}
    return Floor(
        **asdict(step),
        threads=threads,
        **asdict(work),
        working_set_bytes=rounded(work.bytes),
        read_bytes_per_s=reading,
        multiply_adds_per_s=multiplying,
        call_ns=speeds.call_ns,
        read_ns=read_ns,
        multiply_ns=multiply_ns,
        floor_ns=max(read_ns, multiply_ns) + speeds.call_ns,
        bound=max(times, key=lambda name: times[name]),
    )


def _check(**counts: object) -> None:
    for name, count in counts.items():
        if type(count) is not int or count < 1:
            raise UsageError(f"{name} must be a whole number from 1", got=repr(count))
