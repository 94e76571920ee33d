"""``docs/ops.md``: current, with every op of the registry on it."""

from __future__ import annotations

import re
from pathlib import Path

from edgeseq.exporters.rules.document import page
from edgeseq.exporters.rules.refused import REFUSALS
from tests.rules.table import registered

PAGE = Path(__file__).parent.parent.parent / "docs" / "ops.md"


def rows() -> list[tuple[str, str]]:
    """Ops and what is said of them."""
    cells = re.findall(r"^\| \w+ \| (.*?) \| (.*) \|$", page(), re.MULTILINE)
    return [(op, said) for ops, said in cells for op in re.findall("`(.*?)`", ops)]


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "docs/ops.md is out of date: run `make docs`"


def test_every_op_has_one_row() -> None:
    assert sorted(op for op, _ in rows()) == sorted(op.removesuffix(".default") for op in registered())


def test_no_row_is_empty() -> None:
    assert [op for op, said in rows() if len(said) < 10] == []


def test_refused_ops_come_with_their_sentence() -> None:
    told = dict(rows())
    for op, (refusal, _) in REFUSALS.items():
        assert told[str(op).removesuffix(".default")] == f"refused: {refusal.why}. → {refusal.do}"


def test_refusals_of_rules_are_listed() -> None:
    assert "- a bidirectional layer reads the future: its backward half starts at the end of all time. → " in page()
    assert re.search(r"- every frame attends to frames .* the attention is not causal. → ", page())
