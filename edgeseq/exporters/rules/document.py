"""The page ``docs/ops.md``, made from the registry: ``python -m edgeseq.exporters.rules.document [FILE]``."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from edgeseq.exporters import alignment, call, framewise, replay, step
from edgeseq.exporters.rules import FAMILIES, registry
from edgeseq.exporters.rules.foreign import Rule
from edgeseq.exporters.rules.refused import REFUSALS
from edgeseq.exporters.step_ops import TORCH_TO_ONNX

HEAD = """\
# Ops and their streaming rules

Made from the registry by `make docs`; a test says when it is out of date. How to write a rule: [rules.md](rules.md).

An op whose operands have no frames is replayed as it is, whatever it does. Where frames are among them it goes by its
rule, in which the fact decides: over any other axis than time most ops mix no frames and are replayed untouched. An op
that torch tags as elementwise goes by the rule of elementwise ops without being listed. Any other op that is not listed
is refused by name, unless a rule for it comes with `rules=`.
"""

#: Where refusals that any op may meet are worded.
_ANY = (replay, registry, framewise, alignment, step, call)


def page() -> str:
    """The text of ``docs/ops.md``."""
    rows = [row for family in FAMILIES for row in _rows(family)]
    table = ["| family | ops | along time |", "|---|---|---|", *rows]
    sections = [_section(_word(family), [family]) for family in FAMILIES]
    refusals = [_section("any op", _ANY), *sections]
    return "\n".join([HEAD, "## By op", "", *table, "", "## What is refused, and what to do instead", "", *refusals])


def _rows(family: ModuleType) -> Iterator[str]:
    """One row per rule, with all ops that go by it; ops that are refused have one each."""
    by_rule: dict[Any, list[Any]] = {}
    for op, rule in family.RULES.items():
        by_rule.setdefault(op if op in REFUSALS else rule, []).append(op)
    for key, ops in by_rule.items():
        said = _refused(REFUSALS[key][0]) if key in REFUSALS else _summary(key)
        yield f"| {_word(family)} | {', '.join(_names(ops))} | {_cell(said)} |"


def _refused(refusal: registry.Refusal) -> str:
    return f"refused: {refusal.why}. → {refusal.do}"


def _summary(rule: Rule) -> str:
    """The first sentence of a rule's docstring."""
    text = inspect.getdoc(rule) or ""
    return " ".join(text.partition("\n\n")[0].split())


def _names(ops: list[Any]) -> list[str]:
    """Ops as torch calls them, a recurrent call once per kind."""
    found: dict[str, None] = {}
    for op in ops:
        recurrent = str(op) == "edgeseq.recurrent.default"
        names = [f"aten.{kind}" for kind in TORCH_TO_ONNX] if recurrent else [str(op).removesuffix(".default")]
        found.update(dict.fromkeys(f"`{name}`" for name in names))
    return list(found)


def _section(title: str, modules: Any) -> str:
    """A heading and a line for every refusal that is worded in these modules; nothing where there is none."""
    lines = dict.fromkeys(line for module in modules for line in _refusals(module))
    return "\n".join([f"### {title}", "", *lines, ""]) if lines else ""


def _refusals(module: ModuleType) -> Iterator[str]:
    calls = [node for node in ast.walk(ast.parse(inspect.getsource(module))) if isinstance(node, ast.Call)]
    for node in sorted(calls, key=lambda node: node.lineno):
        if not isinstance(node.func, ast.Attribute) or node.func.attr != "refuse":
            continue
        said = [text for argument in node.args for text in _texts(module, argument)]
        if len(said) == 2 and all(said):
            yield f"- {said[0]}. → {said[1]}"


def _texts(module: ModuleType, argument: ast.expr) -> list[str]:
    """What an argument of ``refuse`` says; a pair that has a name of its own says both; nothing where it varies."""
    if isinstance(argument, ast.Starred):
        pair = getattr(module, argument.value.id, ()) if isinstance(argument.value, ast.Name) else ()
        return list(pair)
    if isinstance(argument, ast.Constant):
        return [str(argument.value)]
    if isinstance(argument, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else "…" for part in argument.values)
        return ["".join(map(str, parts))]
    return []


def _word(family: ModuleType) -> str:
    return family.__name__.rpartition(".")[2]


def _cell(text: str) -> str:
    return re.sub(r"\|", r"\\|", text).replace("``", "`")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(page(), encoding="utf-8")
    else:
        sys.stdout.write(page())
