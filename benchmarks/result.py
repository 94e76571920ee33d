"""The result of one benchmark script: a value with a versioned JSON form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from benchmarks.alternate import Spread

FORMAT = "edgeseq.benchmark"
VERSION = 1

#: Cores that others may keep busy before a result is doubtful.
QUIET_CORES = 0.2


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

    ``others_cores`` is how many cores other programs kept busy meanwhile, on average.
    """

    script: str
    title: str
    about: str
    settings: Mapping[str, Any]
    figures: tuple[Figure, ...]
    values: Mapping[str, Sequence[float]]
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    others_cores: float
    date: str

    @property
    def doubts(self) -> tuple[str, ...]:
        """Reasons not to trust the figures, in words."""
        cores = int(self.machine["usable_cores"])
        if self.others_cores <= QUIET_CORES:
            return ()
        return (f"other programs kept {self.others_cores:.1f} of the machine's {cores} cores busy meanwhile",)

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
        return cls(**{**document, "figures": figures})


def _figure(written: dict[str, Any]) -> Figure:
    wanted = written["wanted"]
    return Figure(
        written["name"], written["unit"], Spread(**written["found"]), None if wanted is None else Wanted(**wanted)
    )


def shown(value: float) -> str:
    """A number with three or more digits that matter."""
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 or value == 0 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"
