"""``make rule OP=...``: which rows it runs, and what it says where there are none."""

from __future__ import annotations

import pytest

from tests.rules.__main__ import BY_TAG, chosen, main, node_ids
from tests.rules.table import ROWS, registered


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What pytest was asked to run."""
    asked: list[str] = []

    def noting(arguments: list[str]) -> int:
        asked.extend(arguments[1:])
        return 0

    monkeypatch.setattr(pytest, "main", noting)
    return asked


def test_a_name_stands_for_all_its_overloads() -> None:
    assert chosen("aten.conv1d") == {"aten.conv1d.default", "aten.conv1d.padding"}
    assert chosen("aten.conv1d.padding") == {"aten.conv1d.padding"}
    assert chosen("aten.conv") == set()


def test_every_registered_op_has_rows_to_run() -> None:
    assert [op for op in sorted(registered()) if not node_ids({op})] == []


def test_the_rows_of_an_op_and_its_refusals_are_run(ran: list[str]) -> None:
    assert main(["aten::gru"]) == 0
    rows = [row.id for row in ROWS if row.op == "aten.gru"]
    assert [test.partition("::")[2] for test in ran] == [
        *(f"test_row[{row}]" for row in rows),
        "test_refused_by_the_rules[bidirectional-gru]",
    ]


def test_an_elementwise_op_runs_the_rows_of_the_rule_of_all(ran: list[str]) -> None:
    assert chosen("aten.tanh") == set(BY_TAG)
    assert main(["aten.tanh"]) == 0
    assert len(ran) == sum(row.op in BY_TAG for row in ROWS)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "aten.roll",
            "aten.roll: no rule yet; see docs/rules.md to add one. "
            "Over features it streams, along time it is refused\n",
        ),
        (
            "conv1",
            "conv1: no rule yet; see docs/rules.md to add one. Nearest: aten.conv1d, aten.conv3d, aten.conv2d\n",
        ),
        ("mylib::scan", "mylib.scan: no rule yet; see docs/rules.md to add one\n"),
    ],
)
def test_an_op_without_a_rule(
    name: str, text: str, ran: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.rules.__main__.missing", lambda: {"aten.roll.default"})
    assert main([name]) == 1
    assert capsys.readouterr().out == text
    assert ran == []


def test_a_wrong_call(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "make rule OP=aten.conv1d" in capsys.readouterr().out
