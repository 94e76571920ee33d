"""The result of one benchmark script: a value with a versioned JSON form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from benchmarks.alternate import Spread

FORMAT = "edgeseq.benchmark"
VERSION = 1


@dataclass(frozen=True)
class Wanted:
    """What a figure's median must be."""

    kind: Literal["at most", "at least", "less than"]
    value: float

    def holds(self, value: float) -> bool:
        """Whether ``value`` is as wanted."""
        if self.kind == "at least":
            return value >= self.value
        return value <= self.value if self.kind == "at most" else value < self.value

    def __str__(self) -> str:
        return f"{self.kind} {self.value:,g}"


@dataclass(frozen=True)
class Figure:
    """One measured figure; ``unit`` is ``us``, ``s``, ``KiB``, ``blocks`` or, for a quotient, ``ratio``."""

    name: str
    unit: str
    found: Spread
    wanted: Wanted | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the median is as wanted; None where nothing is."""
        return None if self.wanted is None else self.wanted.holds(self.found.median)


@dataclass(frozen=True)
class Result:
    """What a script found. ``about`` says what was done; ``values`` hold every process's figures.

    ``load`` is the machine's load average of the last minute, before the first process and after the last.
    """

    script: str
    title: str
    about: str
    settings: Mapping[str, Any]
    figures: tuple[Figure, ...]
    values: Mapping[str, Sequence[float]]
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    load: tuple[float, float]
    date: str

    @property
    def doubts(self) -> tuple[str, ...]:
        """Reasons not to trust the figures, in words."""
        cores = int(self.machine["usable_cores"])
        before = self.load[0]
        return (f"the machine was busy before it began: load {before:.1f} on {cores} cores",) if before > 0.5 else ()

    def to_json(self) -> str:
        """The result as JSON text."""
        document = {"format": FORMAT, "version": VERSION, **asdict(self), "doubts": list(self.doubts)}
        for figure, written in zip(self.figures, document["figures"], strict=True):
            written["holds"] = figure.holds
        return json.dumps(document, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Result:
        """Read what :meth:`to_json` wrote; ValueError where it is something else."""
        document = json.loads(text)
        if (document.pop("format", None), document.pop("version", None)) != (FORMAT, VERSION):
            raise ValueError(f"not a result of format {FORMAT!r}, version {VERSION}")
        del document["doubts"]
        figures = tuple(_figure(written) for written in document.pop("figures"))
        return cls(**{**document, "load": tuple(document["load"]), "figures": figures})


def _figure(written: dict[str, Any]) -> Figure:
    wanted = written["wanted"]
    return Figure(
        written["name"], written["unit"], Spread(**written["found"]), None if wanted is None else Wanted(**wanted)
    )


def shown(value: float) -> str:
    """A number with three or more digits that matter."""
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 or value == 0 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"
