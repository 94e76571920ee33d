"""Every example on the pages ``docs/runtime.md`` and ``docs/pool.md``, run as it stands there."""

from __future__ import annotations

import doctest
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeseq import runtime
from edgeseq.runtime.pool import Pool

DOCS = Path(__file__).parent.parent.parent / "docs"
PAGE, POOL = DOCS / "runtime.md", DOCS / "pool.md"
BLOCKS = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.fixture
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    runtime.log("off")


def failures(text: str) -> list[str]:
    """What the examples of a page printed, where that is not what stands there."""
    blocks = "".join(f"{block}\n" for block in BLOCKS.findall(text))
    test = doctest.DocTestParser().get_doctest(blocks, {}, PAGE.name, str(PAGE), 0)
    said: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    return said


@pytest.mark.usefixtures("_folder")
@pytest.mark.parametrize("page", [PAGE, POOL], ids=lambda page: page.name)
def test_the_examples_do_what_the_page_says(page: Path) -> None:
    assert failures(page.read_text(encoding="utf-8")) == []


def test_the_comparison_can_fail() -> None:
    assert failures("```python\n>>> 1 + 1\n2\n```\n") == []
    assert failures("```python\n>>> 1 + 1\n3\n```\n") != []


@pytest.mark.parametrize("page", [PAGE, POOL], ids=lambda page: page.name)
def test_no_python_is_left_out(page: Path) -> None:
    """Every block of code on the page is one that is run, and every line in it an example or what it prints."""
    text = page.read_text(encoding="utf-8")
    assert text.count("```") == 2 * len(BLOCKS.findall(text))
    assert all(block.startswith(">>> ") for block in BLOCKS.findall(text))


def test_the_page_names_every_reading_and_every_policy() -> None:
    text = PAGE.read_text(encoding="utf-8")
    public = [name for name in vars(runtime.Stream) if not name.startswith("_")]
    assert {"step", "flush", "missing", "reset", "close"} <= set(public)
    for name in (*public, "expect", "delay", "frames_in", "frames_out", "frames_waiting", "frames_missing", "position"):
        assert f"`{name}" in text or f"stream.{name}" in text, name


def test_the_page_on_pools_names_all_that_they_have() -> None:
    text = POOL.read_text(encoding="utf-8")
    public = [name for name in vars(Pool) if not name.startswith("_")]
    assert {"step", "flush", "open", "close"} <= set(public)
    for name in public:
        assert name in text, name
