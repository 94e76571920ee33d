"""The value, and what several findings need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from edgeseq.runtime.measuring.latency import Latency
from edgeseq.runtime.measuring.series import Series

#: Yields a sentence for each time that a result shows it.
Rule = Callable[[Latency], Iterator[str]]


@dataclass(frozen=True)
class Finding:
    """``name`` is one word or two, ``sentence`` what was found."""

    name: str
    sentence: str


def modes(latency: Latency) -> Iterator[Series]:
    """The series over all steps; those around positions hold too few."""
    return (series for series in latency.series if not series.mode.startswith("at_"))


def positions(latency: Latency) -> list[tuple[int, Series]]:
    """The series around positions, in order."""
    found = [(int(series.mode[3:]), series) for series in latency.series if series.mode.startswith("at_")]
    return sorted(found, key=lambda one: one[0])


def words(mode: str) -> str:
    """A mode as people say it."""
    return mode.replace("_", " ")
