"""Runs the things compared in turn, each time in a fresh process, and compares medians across processes."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgeseq.runtime.measuring.alternating import rounds


@dataclass(frozen=True)
class Spread:
    """The median of one figure across processes, with its least and greatest value."""

    median: float
    least: float
    most: float


def spread(values: Sequence[float]) -> Spread:
    """The spread of ``values``."""
    return Spread(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class Comparison:
    """What every process reported: ``values["subject.figure_unit"][run]``."""

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


def alternate(subjects: Mapping[str, Sequence[str]], runs: int) -> Comparison:
    """Run every subject's command ``runs`` times, in turn, in an order drawn anew for every round.

    The last line that a command prints is a JSON object: its figures, each with its unit in the name. onnxruntime's
    telemetry is off: its thread wakes up amid a measurement and adds 0.7 MiB to a process, even to one that sleeps.
    numpy computes on one thread.
    """
    values: dict[str, list[float]] = {}
    for order in rounds(list(subjects), runs, seed=0):
        for name in order:
            for figure, value in _run(subjects[name]).items():
                values.setdefault(f"{name}.{figure}", []).append(float(value))
    return Comparison(values)


def _run(command: Sequence[str]) -> dict[str, float]:
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, *command], env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    figures: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures
