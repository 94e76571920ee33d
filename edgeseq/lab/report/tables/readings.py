"""What the machine did meanwhile: processor time, cycles and energy of a step, and what got in the way."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from edgeseq.lab.report.tables.table import Cell, Table, named
from edgeseq.lab.units import digits, duration

Found = dict[str, Any]
_MISSING = "not available"


def readings(document: Found) -> Table:
    """A row for each subject and mode; the median of all processes."""
    return Table(
        "readings",
        "What the machine did meanwhile",
        (
            *("", "mode", "processor time a step", "cycles a step", "instructions a step", "energy a step"),
            *("switched out per 1,000 steps", "cores of other programs", "cores taken by the host"),
        ),
        tuple(
            _row(subject["name"], mode, [run[mode] for run in runs if mode in run])
            for subject in document["subjects"]
            if (runs := subject["latency"]["readings"])
            for mode in runs[0]
        ),
    )


def _row(name: str, mode: str, runs: Sequence[Found]) -> tuple[Cell, ...]:
    return (
        named("subject", name),
        Cell(mode.replace("_", " "), {"mode": mode}),
        _a_step(runs, "cpu_ns", duration),
        _a_step(runs, "cycles", digits),
        _a_step(runs, "instructions", digits),
        _energy(runs),
        _figure(
            "involuntary_switches_per_1000", [1e3 * v for v in _shares(runs, "involuntary_switches", "steps")], runs
        ),
        _figure("others_cores", _shares(runs, "others_ns", "wall_ns"), runs),
        _figure("steal_cores", _shares(runs, "steal_ns", "wall_ns"), runs),
    )


def _shares(runs: Sequence[Found], name: str, of: str) -> list[float]:
    return [run[name] / run[of] for run in runs if run.get(name) is not None and run.get(of)]


def _a_step(runs: Sequence[Found], name: str, written: Any) -> Cell:
    values = _shares(runs, name, "steps")
    return _cell(f"{name}_per_step", values, written, _reason(runs, name))


def _figure(name: str, values: list[float], runs: Sequence[Found]) -> Cell:
    return _cell(
        name,
        values,
        digits,
        _reason(
            runs, {"involuntary_switches_per_1000": "involuntary_switches"}.get(name, name.replace("_cores", "_ns"))
        ),
    )


def _energy(runs: Sequence[Found]) -> Cell:
    """Of all meters together, of everything that ran on the package."""
    values = [sum(run["energy_uj"].values()) / run["steps"] for run in runs if run.get("energy_uj")]
    return _cell("energy_uj_per_step", values, lambda value: f"{digits(value)} uJ", _reason(runs, "energy_uj"))


def _cell(name: str, values: list[float], written: Any, reason: str | None) -> Cell:
    if not values:
        return Cell(_MISSING, {name: None}, reason)
    middle = statistics.median(values)
    return Cell(written(middle), {name: middle})


def _reason(runs: Sequence[Found], name: str) -> str | None:
    return next((run["reasons"][name] for run in runs if name in run.get("reasons", {})), None)
