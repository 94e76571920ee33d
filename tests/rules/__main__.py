"""Run the rows of one op: ``python -m tests.rules aten.conv1d``, as ``make rule OP=aten.conv1d`` does."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

import pytest
import torch

from tests.rules.table import ELSEWHERE, ROWS, missing, registered

HERE = Path(__file__).parent
USAGE = "make rule OP=aten.conv1d runs the rows of that op; an overload, as in aten.conv1d.padding, runs its rows alone"
NONE_YET = "no rule yet; see docs/rules.md to add one"
#: The rows that show what every elementwise op gets by torch's tag.
BY_TAG = ("aten.relu.default", "aten.add.Tensor", "aten.mul.Tensor")


def main(arguments: list[str]) -> int:
    """The exit code: 0 where every row passes, 1 where one fails or there is no rule, 2 for a wrong call."""
    if len(arguments) != 1:
        print(USAGE)
        return 2
    name = arguments[0].replace("::", ".")
    ops = chosen(name)
    if not ops or ops <= missing():
        print(explained(name, refused=bool(ops)))
        return 1
    return int(pytest.main(["-q", *node_ids(ops)]))


def chosen(name: str) -> set[str]:
    """The ops that a name stands for: all its overloads, or the one it names."""
    found = {op for op in registered() | {row.op for row in ROWS} if op == name or op.startswith(f"{name}.")}
    return found or (set(BY_TAG) if is_elementwise(name) else set())


def is_elementwise(name: str) -> bool:
    """True for ``aten.tanh`` and the like, which need no rule of their own."""
    namespace, _, rest = name.partition(".")
    word, _, overload = rest.partition(".")
    packet = getattr(torch.ops.aten, word, None) if namespace == "aten" and word.isidentifier() else None
    known = packet.overloads() if packet is not None else []
    overloads = [getattr(packet, each) for each in known if not overload or each == overload]
    return any(torch.Tag.pointwise in each.tags for each in overloads)


def node_ids(ops: set[str]) -> list[str]:
    """What pytest is to run, here and where the refusals of whole models are."""
    rows = [f"{HERE / 'test_rows.py'}::test_row[{row.id}]" for row in ROWS if row.op in ops]
    refusals = HERE.parent / "test_refusals.py"
    return rows + [f"{refusals}::test_refused_by_the_rules[{row}]" for op, row in ELSEWHERE.items() if op in ops]


def explained(name: str, *, refused: bool) -> str:
    """What is said of an op that has no rule."""
    if refused:
        return f"{name}: {NONE_YET}. Over features it streams, along time it is refused"
    names = registered() | {op.rpartition(".")[0] for op in registered()}
    close = difflib.get_close_matches(name if "." in name else f"aten.{name}", sorted(names), 3)
    return f"{name}: {NONE_YET}" + (f". Nearest: {', '.join(close)}" if close else "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
