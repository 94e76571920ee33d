"""Writes the page and the CSV files; each appears whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from edgeseq.errors import UsageError
from edgeseq.files import check_folder, write_whole
from edgeseq.lab.comparison import Comparison
from edgeseq.lab.findings import find_all
from edgeseq.lab.report.page import page
from edgeseq.lab.report.style import drawing
from edgeseq.lab.report.tables import make_tables
from edgeseq.lab.selfcheck.stored import sentence


def check_report(path: str | os.PathLike[str]) -> None:
    """What :func:`write_report` would raise for want of matplotlib or of a folder: to be known before measuring."""
    with drawing():
        check_folder(Path(path).absolute().parent)


def write_report(comparison: Comparison, path: str | os.PathLike[str]) -> None:
    """One page with everything that is known of ``comparison``: charts, tables, findings, machine and method.

    The same comparison gives the same bytes. NotInstalled without matplotlib, UsageError where it cannot be written.
    """
    check_report(path)
    text = page(comparison.to_dict(), find_all(comparison), sentence(comparison.self_check))
    _write(Path(path), text)


def write_csv(comparison: Comparison, folder: str | os.PathLike[str]) -> list[Path]:
    """Every table of the page as a CSV file in ``folder``, which is made where it is missing; their paths."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError("cannot make the folder", where=str(folder), why=error.strerror) from None
    written = []
    for table in make_tables(comparison.to_dict()):
        written.append(folder / f"{table.name}.csv")
        _write(written[-1], table.to_csv())
    return written


def _write(path: Path, text: str) -> None:
    try:
        write_whole(path, lambda file: file.write(text.encode()))
    except OSError as error:
        raise UsageError("cannot write the report", where=str(path), why=error.strerror) from None
