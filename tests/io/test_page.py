"""Every example on the page ``docs/blocks.md``, run as it stands there; and what the adapters load."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.test_lean import loaded_by
from tests.runtime.test_page import BLOCKS, DOCS, failures

PAGE = DOCS / "blocks.md"


def test_the_examples_do_what_the_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    assert text.count("```") == 2 * len(BLOCKS.findall(text))
    assert failures(text) == []


def test_adapters_are_lean() -> None:
    assert loaded_by("import edgeseq.io.blocks, edgeseq.io.wav") == []
