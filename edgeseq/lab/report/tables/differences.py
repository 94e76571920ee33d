"""Every subject against the first."""

from __future__ import annotations

from typing import Any

from edgeseq.lab.report.tables.table import Cell, Table, named

Found = dict[str, Any]


def differences(document: Found) -> Table:
    """A row for each subject, mode and quantile that both have."""
    return Table(
        "differences",
        "Differences",
        ("", "against", "mode", "quantile", "ratio", "verdict"),
        tuple(_row(found) for found in document["differences"]),
    )


def _row(found: Found) -> tuple[Cell, ...]:
    known = found["low"] is not None
    return (
        named("subject", found["subject"]),
        named("base", found["base"]),
        Cell(found["mode"].replace("_", " "), {"mode": found["mode"]}),
        named("quantile", found["quantile"]),
        Cell(
            f"{found['ratio']:.3g} times as long",
            {"ratio": found["ratio"], "low": found["low"], "high": found["high"]},
            f"{found['low']:.3g} to {found['high']:.3g}" if known else None,
        ),
        Cell(_verdict(found), {"visible": found["visible"]}),
    )


def _verdict(found: Found) -> str:
    if found["visible"] is None:
        return "too few processes to tell"
    if not found["visible"]:
        return "no visible difference"
    return "visibly longer" if found["ratio"] > 1 else "visibly shorter"
