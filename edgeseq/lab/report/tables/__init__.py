"""The tables of a report and of its CSV files, made from a comparison's plain values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgeseq.lab.report.tables.costs import costs
from edgeseq.lab.report.tables.differences import differences
from edgeseq.lab.report.tables.floor import floor
from edgeseq.lab.report.tables.latency import latency, positions
from edgeseq.lab.report.tables.machine import files, machine, settings
from edgeseq.lab.report.tables.readings import readings
from edgeseq.lab.report.tables.table import Cell, Table

#: In the order of the page.
TABLES: tuple[Callable[[dict[str, Any]], Table], ...] = (
    latency,
    differences,
    positions,
    costs,
    floor,
    readings,
    settings,
    machine,
    files,
)

__all__ = ["TABLES", "Cell", "Table", "make_tables"]


def make_tables(document: dict[str, Any]) -> list[Table]:
    """Every table that has a row."""
    return [table for make in TABLES if (table := make(document)).rows]
