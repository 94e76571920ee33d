"""The percentiles of every series, and steps and states by position."""

from __future__ import annotations

from typing import Any

from edgeseq.lab.report.charts.chart import interval
from edgeseq.lab.report.tables.table import Cell, Table, named
from edgeseq.lab.units import MODES, duration, size, span

Found = dict[str, Any]
_QUANTILES = ("p50", "p90", "p99", "p99.9")


def latency(document: Found) -> Table:
    """A row for each subject and mode, positions apart."""
    found = [
        (subject, series)
        for subject in document["subjects"]
        for series in subject["latency"]["series"]
        if not series["mode"].startswith("at_")
    ]
    return Table(
        "latency",
        "Latency of one step",
        ("", "mode", "processes x steps", "warm-up", *_QUANTILES, "max", "late", "missed"),
        tuple(_row(subject, series) for subject, series in found),
    )


def positions(document: Found) -> Table:
    """A row for each subject and position."""
    rows = []
    for subject in document["subjects"]:
        held = subject["latency"]["state_bytes_at"]
        for series in subject["latency"]["series"]:
            if series["mode"].startswith("at_"):
                position = series["mode"][3:]
                rows.append((subject["name"], position, series, held.get(position)))
    return Table(
        "positions",
        "Steps and states by position",
        ("", "position", "processes x steps", "p50", "p90", "state of a stream"),
        tuple(
            (
                named("subject", name),
                Cell(f"{int(position):,}", {"position": int(position)}),
                _steps(series),
                *(_quantile(quantile, series) for quantile in ("p50", "p90")),
                Cell(size(held), {"state_bytes": held}),
            )
            for name, position, series, held in rows
        ),
    )


def _row(subject: Found, series: Found) -> tuple[Cell, ...]:
    """Late: after the period; missed: after the deadline, if one was given."""
    warm = series["warmup"]
    return (
        named("subject", subject["name"]),
        Cell(MODES[series["mode"]], {"mode": series["mode"]}),
        _steps(series),
        Cell(f"{max(warm):,} steps" if warm else "-", {"warmup_most": max(warm) if warm else None}),
        *(_quantile(quantile, series) for quantile in _QUANTILES),
        Cell(duration(series["max_ns"]["most_ns"]), {"max_ns": series["max_ns"]["most_ns"]}),
        _counted("late", series["misses"], series["counts"]),
        _counted("missed", _missed(subject, series), series["counts"]),
    )


def _steps(series: Found) -> Cell:
    runs, least = len(series["counts"]), min(series["counts"])
    return Cell(f"{runs} x {least:,}", {"processes": runs, "steps_least": least})


def _quantile(name: str, series: Found) -> Cell:
    return _spread(name, series["quantiles"].get(name) or {"median_ns": None, "refused": "not measured"})


def _spread(name: str, found: Found) -> Cell:
    """The median across processes, and its interval beneath."""
    if found["median_ns"] is None:
        return Cell("-", {f"{name}_ns": None}, found["refused"].partition(" in every")[0])
    low, high = interval(found)
    raw = {f"{name}_ns": found["median_ns"], f"{name}_low_ns": low, f"{name}_high_ns": high}
    return Cell(duration(found["median_ns"]), raw, span(low, high))


def _missed(subject: Found, series: Found) -> list[int] | None:
    deadline = subject["latency"]["deadline"]
    return deadline["misses"] if deadline is not None and series["mode"] == "paced" else None


def _counted(name: str, counts: list[int] | None, steps: list[int]) -> Cell:
    if counts is None:
        return Cell("-", {name: None})
    count = sum(counts)
    return Cell(f"{count:,}", {name: count}, f"{100 * count / sum(steps):.2g} %" if count else None)
