"""``docs/rules.md``: its example runs as it stands there, and it leaves nothing of the public surface out."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import pytest

from edgeseq.exporters import rules
from edgeseq.exporters.call import Call
from edgeseq.exporters.facts import Head, Scalar, Static, Summary, Timed
from edgeseq.exporters.step import Step

PAGE = (Path(__file__).parent.parent.parent / "docs" / "rules.md").read_text(encoding="utf-8")


def blocks() -> list[str]:
    """The Python on the page."""
    return re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_the_worked_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package, use = blocks()
    (tmp_path / "ema.py").write_text(package, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "ema", raising=False)
    exec(compile(use, "docs/rules.md", "exec"), {"__name__": "example"})
    assert (tmp_path / "smoother.onnx").exists()


def surface() -> set[str]:
    """Every public name of a step: what its classes define, and what their constructors set."""
    set_there = "".join(inspect.getsource(each.__init__) for each in (Step, Call))
    return {name for name in dir(Step) if not name.startswith("_")} | set(re.findall(r"self\.([a-z]\w*)", set_there))


def test_every_public_name_of_a_step_is_explained() -> None:
    named = set(re.findall(r"`step\.(\w+)", PAGE))
    assert named == surface()


def test_every_export_is_named() -> None:
    assert [name for name in rules.__all__ if not re.search(rf"\b{name}\b", PAGE)] == []


def test_every_field_of_a_fact_is_named() -> None:
    fields = {name for fact in (Static, Timed, Summary, Scalar, Head) for name in fact.__dataclass_fields__}
    assert [name for name in sorted(fields) if not re.search(rf"\b{name}\b", PAGE)] == []
