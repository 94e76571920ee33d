"""The tables of docs/deadlines.md are those of the stored result."""

from __future__ import annotations

from benchmarks.paced_page import PAGE, STORED, page, tables
from benchmarks.result import Result


def test_the_page_holds_what_is_stored() -> None:
    result = Result.from_json(STORED.read_text(encoding="utf-8"))
    text = PAGE.read_text(encoding="utf-8")
    assert page(text, result) == text


def test_what_a_machine_does_not_permit_is_not_a_number() -> None:
    result = Result.from_json(STORED.read_text(encoding="utf-8"))
    values = {name: found for name, found in result.values.items() if not name.startswith("system_fifo.")}
    text = tables(Result(**{**vars(result), "values": {**values, "system_fifo.available": [0.0]}}))
    assert "| SCHED_FIFO: `fifo=50` | not available |  |  |" in text
