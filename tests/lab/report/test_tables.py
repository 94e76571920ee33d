"""The tables: what their CSV holds, and that names stay names."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from edgeseq.errors import UsageError
from edgeseq.lab.report import write_csv
from edgeseq.lab.report.tables import Cell, Table, make_tables
from edgeseq.lab.units import digits, duration, size, span, time_unit
from tests.lab.report.comparisons import NAMES, comparison


def test_the_csv_holds_the_figures_of_the_comparison(tmp_path: Path) -> None:
    found = comparison(2)
    written = write_csv(found, tmp_path / "tables")
    assert sorted(path.stem for path in written) == sorted(table.name for table in make_tables(found.to_dict()))
    rows = list(csv.DictReader((tmp_path / "tables" / "latency.csv").read_text(encoding="utf-8").splitlines()))
    paced = next(row for row in rows if row["subject"] == NAMES[1] and row["mode"] == "paced")
    p50 = found.subjects[1].latency.of("paced").quantiles["p50"]
    assert [int(paced[name]) for name in ("p50_ns", "p50_low_ns", "p50_high_ns")] == [
        p50.median_ns,
        p50.low_ns,
        p50.high_ns,
    ]
    assert paced["p99.9_ns"] == ""
    assert len({len(row) for row in rows}) == 1


def test_a_name_is_no_formula() -> None:
    table = Table("t", "T", ("", "x"), ((Cell("a", {"subject": "=cmd()"}), Cell("-1", {"x": -1})),))
    assert table.to_csv() == "subject,x\n'=cmd(),-1\n"


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot make the folder"):
        write_csv(comparison(1), tmp_path / "file")


@pytest.mark.parametrize(
    ("ns", "text"),
    [(0, "0 ns"), (850, "850 ns"), (999.9, "1.00 us"), (12_345, "12.3 us"), (4.5e6, "4.50 ms"), (1.5e12, "1,500 s")],
)
def test_durations(ns: float, text: str) -> None:
    assert duration(ns) == text


def test_units() -> None:
    assert (size(1_536), size(512), size(None)) == ("1.50 KiB", "512 B", "-")
    assert (digits(0.012345), digits(1_234.5), digits(99.96)) == ("0.0123", "1,234", "100")
    assert (time_unit([2_500, 9e6]), time_unit([0])) == (("us", 1e3), ("ns", 1.0))
    assert (span(12_340, 15_000), span(900, 1_000)) == ("12.3 to 15.0 us", "900 ns to 1.00 us")
