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
#: Times of fresh processes that differ by more than this factor make a result doubtful.
STEADY_WITHIN = 1.25


@dataclass(frozen=True)
class Wanted:
    """What a figure's median must be; with ``every``, what it must be in every run."""

    kind: Literal["at most", "at least", "less than"]
    value: float
    every: bool = False

    def holds(self, found: Spread) -> bool:
        """Whether ``found`` is as wanted."""
        if self.kind == "at least":
            return (found.least if self.every else found.median) >= self.value
        value = found.most if self.every else found.median
        return value <= self.value if self.kind == "at most" else value < self.value


@dataclass(frozen=True)
class Figure:
    """One measured figure; ``unit`` is ``us``, ``s``, ``KiB``, ``blocks`` or, for a quotient, ``ratio``."""

    name: str
    unit: str
    found: Spread
    wanted: Wanted | None = None

    @property
    def holds(self) -> bool | None:
        """Whether it is as wanted; None where nothing is."""
        return None if self.wanted is None else self.wanted.holds(self.found)


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
        found = []
        if self.others_cores > QUIET_CORES:
            cores = self.machine["usable_cores"]
            found.append(f"other programs kept {self.others_cores:.1f} of the machine's {cores} cores busy meanwhile")
        for name, values in self.values.items():
            if name.endswith(("_us", "_s")) and max(values) > STEADY_WITHIN * min(values):
                found.append(f"{name}: one process took {max(values) / min(values):.2f} times as long as another")
        return tuple(found)

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


def wanted_text(figure: Figure) -> str:
    """What is wanted of a figure, in words; empty where nothing is."""
    wanted = figure.wanted
    if wanted is None:
        return ""
    unit = "x" if figure.unit == "ratio" else f" {figure.unit}"
    return f"{wanted.kind} {wanted.value:,g}{unit}{' in every run' if wanted.every else ''}"


def shown(value: float) -> str:
    """A number with three or more digits that matter."""
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 or value == 0 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"
