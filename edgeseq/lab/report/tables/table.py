"""A table as a value: what people read and what a program reads of each cell, and its CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Cell:
    """``text`` for the page; ``raw`` for the CSV, by column name, units in the names; ``note`` says why it is empty."""

    text: str
    raw: Mapping[str, Any] = field(default_factory=dict)
    note: str | None = None


@dataclass(frozen=True)
class Table:
    """Rows of one cell for each of ``columns``. ``turned``: the page shows columns as rows, for few and long rows.

    ``measured``: its figures are compared, so that the self-check's sentence belongs under it. ``notes`` stand
    there too.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    turned: bool = False
    measured: bool = True
    notes: tuple[str, ...] = ()

    def to_csv(self) -> str:
        """A header and a line for each row: plain numbers, None as nothing."""
        lines = [{name: value for cell in row for name, value in cell.raw.items()} for row in self.rows]
        names = dict.fromkeys(name for line in lines for name in line)
        written = io.StringIO()
        writer = csv.DictWriter(written, list(names), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _inert(value) for name, value in line.items()} for line in lines)
        return written.getvalue()


def named(name: str, value: Any) -> Cell:
    """A cell whose text is its value."""
    return Cell("-" if value is None else str(value), {name: value})


def _inert(value: Any) -> Any:
    """Text that a spreadsheet would take for a formula, as text (OWASP, CSV injection)."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
