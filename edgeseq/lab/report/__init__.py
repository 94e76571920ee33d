"""A comparison as one page of HTML that asks for nothing else, and its tables as CSV."""

from __future__ import annotations

from edgeseq.lab.report.writing import check_report, write_csv, write_report

__all__ = ["check_report", "write_csv", "write_report"]
