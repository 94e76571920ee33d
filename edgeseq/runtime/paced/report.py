"""What a paced runner has seen so far: a value, taken at any time without stopping anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from edgeseq.runtime.devices import Array
from edgeseq.runtime.paced.board import Board
from edgeseq.runtime.paced.histogram import binned
from edgeseq.runtime.paced.places import Place

if TYPE_CHECKING:
    from edgeseq.runtime.measuring.samples import Samples


@dataclass(frozen=True)
class Xruns:
    """Slots without an answer by their deadline, by cause; ``docs/deadlines.md`` defines each."""

    late_frame: int
    long_step: int
    late_wake: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.late_frame + self.long_step + self.late_wake


@dataclass(frozen=True, eq=False)
class Paced:
    """Counts since the runner was started, or between two reports.

    ``frames`` were taken in by ``put`` and ``refused`` found its queue full. ``dropped_late`` came after their slots,
    ``dropped_stale`` were in time but their slots went by in a long step or a late wake. ``filled`` slots were answered
    with a missing frame. ``answers_lost`` were not read in time. ``most_at_once`` chunks were one step. ``moved``: how
    often the pace was moved to where the frames are. ``cpu_ns`` is processor time within ``wall_ns``, keeping warm
    included. ``histograms`` count ``latency`` (from due to done), ``step`` and
    ``wake`` (from due to begun).
    """

    slots: int
    frames: int
    answers: int
    xruns: Xruns
    dropped_late: int
    dropped_stale: int
    filled: int
    refused: int
    answers_lost: int
    most_at_once: int
    moved: int
    wall_ns: int
    cpu_ns: int
    histograms: Mapping[str, Array] = field(repr=False)

    @property
    def cpu_share(self) -> float:
        """Cores that the runner's process kept busy, or its thread."""
        return self.cpu_ns / self.wall_ns if self.wall_ns else 0.0

    @property
    def latency(self) -> Samples:
        """Nanoseconds from when a slot was due to its answer."""
        return binned(self.histograms["latency"])

    @property
    def step(self) -> Samples:
        """Nanoseconds of the steps."""
        return binned(self.histograms["step"])

    @property
    def wake(self) -> Samples:
        """Nanoseconds from when a slot was due to the beginning of its step, where the loop had slept until then."""
        return binned(self.histograms["wake"])

    def since(self, earlier: Paced) -> Paced:
        """What happened after ``earlier``, a report of the same runner; ``most_at_once`` is of all time."""
        names = {item.name for item in fields(self)} - {"xruns", "histograms", "most_at_once"}
        counts = {name: getattr(self, name) - getattr(earlier, name) for name in names}
        xruns = Xruns(*(getattr(self.xruns, item.name) - getattr(earlier.xruns, item.name) for item in fields(Xruns)))
        histograms = {name: counted - earlier.histograms[name] for name, counted in self.histograms.items()}
        return replace(self, xruns=xruns, histograms=histograms, **counts)


def report(board: Board) -> Paced:
    """What the counters say now; they move on one by one, so that two of them may differ by a slot."""
    head = board.head
    return Paced(
        slots=head[Place.SLOTS],
        frames=head[Place.PUT],
        answers=head[Place.ANSWERED],
        xruns=Xruns(head[Place.LATE_FRAME], head[Place.LONG_STEP], head[Place.LATE_WAKE]),
        dropped_late=head[Place.DROPPED_LATE],
        dropped_stale=head[Place.DROPPED_STALE],
        filled=head[Place.FILLED],
        refused=head[Place.REFUSED],
        answers_lost=head[Place.LOST],
        most_at_once=head[Place.MOST_AT_ONCE],
        moved=head[Place.MOVED],
        wall_ns=head[Place.NOW_NS] - head[Place.BEGUN_NS],
        cpu_ns=head[Place.CPU_NS],
        histograms={name: np.array(counts, np.int64) for name, counts in board.histograms.items()},
    )
