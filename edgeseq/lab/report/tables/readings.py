"""What the machine did meanwhile: processor time, cycles and energy of a step, and what got in the way."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from edgeseq.lab.report.tables.table import Cell, Table, named
from edgeseq.lab.units import digits, duration

Found = dict[str, Any]


@dataclass(frozen=True)
class Figure:
    """A column: what was read, divided by what, times what; its name in the CSV and how people read it."""

    title: str
    read: str
    over: str
    name: str
    times: float = 1.0
    written: Callable[[float], str] = digits


FIGURES = (
    Figure("processor time a step", "cpu_ns", "steps", "cpu_ns_per_step", written=duration),
    Figure("cycles a step", "cycles", "steps", "cycles_per_step"),
    Figure("instructions a step", "instructions", "steps", "instructions_per_step"),
    Figure("energy a step (uJ)", "energy_uj", "steps", "energy_uj_per_step"),
    Figure("switched out in 1,000 steps", "involuntary_switches", "steps", "involuntary_switches_per_1000_steps", 1e3),
    Figure("cores of other programs", "others_ns", "wall_ns", "others_cores"),
    Figure("cores taken by the host", "steal_ns", "wall_ns", "steal_cores"),
)


def readings(document: Found) -> Table:
    """A row for each subject and mode; the median of all processes."""
    found = list(_parts(document))
    reasons = dict.fromkeys(note for *_, runs in found for note in _reasons(runs))
    return Table(
        "readings",
        "What the machine did meanwhile",
        ("", "mode", *(figure.title for figure in FIGURES)),
        tuple(
            (named("subject", name), _mode(mode), *(_cell(figure, runs) for figure in FIGURES))
            for name, mode, runs in found
        ),
        notes=tuple(reasons),
    )


def _parts(document: Found) -> Iterator[tuple[str, str, list[Found]]]:
    """Subject, mode, and the readings of every process."""
    for subject in document["subjects"]:
        runs = subject["latency"]["readings"]
        for mode in runs[0] if runs else ():
            yield subject["name"], mode, [run[mode] for run in runs if mode in run]


def _mode(mode: str) -> Cell:
    return Cell(mode.replace("_", " "), {"mode": mode})


def _cell(figure: Figure, runs: Sequence[Found]) -> Cell:
    values = [figure.times * _total(run[figure.read]) / run[figure.over] for run in runs if run.get(figure.read)]
    values += [0.0 for run in runs if run.get(figure.read) == 0]
    if not values:
        return Cell("not available", {figure.name: None})
    return Cell(figure.written(statistics.median(values)), {figure.name: statistics.median(values)})


def _total(value: Any) -> float:
    """Energy is told by meter, of everything that ran on the package: all of them together."""
    return float(sum(value.values()) if isinstance(value, dict) else value)


def _reasons(runs: Sequence[Found]) -> Iterator[str]:
    """Why a column was not read; what has one reason is named once."""
    by_reason: dict[str, list[str]] = {}
    for figure in FIGURES:
        reason = next((run["reasons"][figure.read] for run in runs if figure.read in run.get("reasons", {})), None)
        if reason is not None:
            by_reason.setdefault(reason, []).append(figure.title)
    return (f"{', '.join(titles)}: {reason}" for reason, titles in by_reason.items())
