"""Every rule by ``check_rule``: the rows of the table, and that the table leaves no rule out."""

from __future__ import annotations

import re
from typing import Any

import pytest

from edgeseq.errors import NotStreamable
from edgeseq.exporters.origin import op_name
from edgeseq.exporters.rules.registry import Registry
from edgeseq.testing import check_rule
from tests.rules.row import Row, alike
from tests.rules.table import ELSEWHERE, ROWS, WITHOUT_ROW, registered
from tests.test_refusals import STREAM


@pytest.fixture
def fired(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The ops whose rules were looked up since the test began, over frames or over places of frames."""
    seen: set[str] = set()

    def noting(look_up: Any) -> Any:
        def look(registry: Registry, step: Any, op: Any) -> Any:
            seen.add(op_name(step.node) if str(op) == "edgeseq.recurrent.default" else str(op))
            return look_up(registry, step, op)

        return look

    monkeypatch.setattr(Registry, "rule", noting(Registry.rule))
    monkeypatch.setattr(Registry, "pair_rule", noting(Registry.pair_rule))
    return seen


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(row: Row, fired: set[str]) -> None:
    model = row.build()
    if row.refused is not None:
        with pytest.raises(NotStreamable, match=re.escape(row.refused)):
            check_rule(model, row.inputs)
    else:
        contract = check_rule(model, row.inputs, frames=24, atol=row.atol)
        assert (contract.delay, contract.max_context) == (row.delay, row.max_context)
    assert row.op in fired


def test_a_row_that_misses_its_rule_would_be_noticed(fired: set[str]) -> None:
    row = alike("aten.flatten.using_ints", lambda x: x.unsqueeze(-1).flatten(2))
    check_rule(row.build(), row.inputs)
    assert row.op not in fired
    assert "aten.view.default" in fired


def test_every_rule_has_a_row() -> None:
    assert registered() - {row.op for row in ROWS} == set(WITHOUT_ROW)


def test_every_row_is_there_once() -> None:
    ids = [row.id for row in ROWS]
    assert len(ids) == len(set(ids))


def test_every_other_tolerance_has_its_reason() -> None:
    assert [row.id for row in ROWS if (row.atol == 1e-9) != (row.why is None)] == []


def test_refusals_checked_elsewhere_are_there() -> None:
    assert ELSEWHERE.keys() <= registered()
    assert set(ELSEWHERE.values()) <= {row.id for row in STREAM}
