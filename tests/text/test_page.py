"""Every example on the page ``docs/text.md``, run as it stands there."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgeseq.cli import main
from edgeseq.io import text
from tests import language_models
from tests.runtime.test_page import BLOCKS, DOCS, failures

PAGE = (DOCS / "text.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))  # which loading a tokenizer adds to
    for name in ("bytes.onnx", "m.onnx"):
        language_models.recurrent(30_000 if name == "m.onnx" else 256).save(Path(name))
    Path("tokenizer.py").write_text("from edgeseq.io.text import Bytes\n\n\nclass Words(Bytes):\n" + WORDS)


WORDS = """
    def decode(self, tokens):
        return "".join(f"{token} " for token in tokens)

make = Words
"""


def test_the_python() -> None:
    assert PAGE.count("```") == 2 * len(BLOCKS.findall(PAGE)) == 10
    assert failures(PAGE) == []


def test_the_commands() -> None:
    commands = re.findall(r"^    edgeseq (.*)$", PAGE, re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        result = CliRunner().invoke(main, shlex.split(command))
        assert result.exit_code == 0, result.output


def test_the_page_names_all_that_is_offered() -> None:
    assert {name for name in text.__all__ if name not in PAGE} == {"LanguageModel"}  # what language_model returns
