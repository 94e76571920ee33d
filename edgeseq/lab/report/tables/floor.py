"""What a step has to read and multiply, what this machine takes for that at best, and how far a step is from it."""

from __future__ import annotations

from typing import Any

from edgeseq.lab.report.tables.table import Cell, Table, named
from edgeseq.lab.units import digits, duration, size

Found = dict[str, Any]


def floor(document: Found) -> Table:
    """A row for each subject that has a floor, and one for each position that it has one at."""
    rows = [
        _row(subject, found, mode)
        for subject in document["subjects"]
        if subject["floor"] is not None
        for mode, found in _floors(subject["floor"])
    ]
    columns = (
        "",
        "mode",
        "bytes a step",
        "multiply-adds a step",
        "floor",
        "of these reading",
        "multiplying",
        "the call",
        "measured p50",
        "times the floor",
    )
    return Table("floor", "Distance to the floor", columns, tuple(rows))


def _floors(found: Found) -> list[tuple[str, Found]]:
    return [("back_to_back", found), *((f"at_{position}", one) for position, one in found.get("at", {}).items())]


def _row(subject: Found, found: Found, mode: str) -> tuple[Cell, ...]:
    p50_ns = _p50_ns(subject["latency"], mode)
    moved = found["weight_bytes"] + found["state_bytes"]
    times = None if p50_ns is None else p50_ns / found["floor_ns"]
    return (
        named("subject", subject["name"]),
        Cell(mode.replace("_", " "), {"mode": mode}),
        Cell(size(moved), {"bytes_per_step": moved}),
        Cell(f"{found['multiply_adds']:,}", {"multiply_adds_per_step": found["multiply_adds"]}),
        *(
            Cell(duration(found[name]), {name: found[name]})
            for name in ("floor_ns", "read_ns", "multiply_ns", "call_ns")
        ),
        Cell(duration(p50_ns), {"p50_ns": p50_ns}),
        Cell("-" if times is None else digits(times), {"times_the_floor": times}),
    )


def _p50_ns(latency: Found, mode: str) -> int | None:
    found = (series["quantiles"]["p50"]["median_ns"] for series in latency["series"] if series["mode"] == mode)
    return next(found, None)
