"""Runs the things compared in turn, each time in a fresh process, and compares medians across processes."""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Spread:
    """The median of one figure across processes, with its least and greatest value."""

    median: float
    least: float
    most: float

    def __str__(self) -> str:
        return f"{self.median:9.2f}  ({self.least:.2f} to {self.most:.2f})"


def spread(values: Sequence[float]) -> Spread:
    """The spread of ``values``."""
    return Spread(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Comparison:
    """What every process of every subject reported: ``values[subject][run]``, all in ``unit``."""

    unit: str
    values: Mapping[str, Sequence[float]]

    def of(self, subject: str) -> Spread:
        """The figure of one subject."""
        return spread(self.values[subject])

    def difference(self, subject: str, base: str) -> Spread:
        """``subject`` minus ``base``, pair by pair of neighbouring processes."""
        return spread([a - b for a, b in zip(self.values[subject], self.values[base], strict=True)])

    def ratio(self, subject: str, base: str) -> Spread:
        """``subject`` over ``base``, pair by pair of neighbouring processes."""
        return spread([a / b for a, b in zip(self.values[subject], self.values[base], strict=True)])

    def save(self, path: Path, **more: object) -> None:
        """Write everything as JSON, with the machine and the versions that made it."""
        document = {
            "format": "edgeseq.comparison",
            "version": 1,
            "machine": {
                "system": platform.platform(),
                "processor": platform.machine(),
                "python": sys.version.split()[0],
            },
            **asdict(self),
            **more,
        }
        path.write_text(json.dumps(document, indent=1) + "\n")


def alternate(subjects: Mapping[str, Sequence[str]], runs: int, unit: str) -> Comparison:
    """Run every subject's command ``runs`` times, in turn; the last line of each output is its figure in ``unit``."""
    values: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(runs):
        for name, command in subjects.items():
            done = subprocess.run([sys.executable, *command], check=True, capture_output=True, text=True)
            values[name].append(float(done.stdout.strip().splitlines()[-1]))
    return Comparison(unit, values)
