"""``examples/chat.py``: a stream that remembers every turn gives what the whole conversation gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgeseq import runtime
from edgeseq.io.text import Bytes, generate, text_stream
from examples import chat
from tests import language_models

GREEDY: dict[str, Any] = {}


@pytest.fixture
def path(tmp_path: Path) -> str:
    return language_models.recurrent(256).save(tmp_path / "chat.onnx")


def said(path: str, lines: list[str], choice: dict[str, Any] = GREEDY) -> str:
    pieces: list[str] = []
    chat.chat(path, lines, pieces.append, choice)
    assert len(pieces) > 2 * len(lines)
    return "".join(pieces)


def test_the_second_answer_is_that_to_the_whole_conversation(path: str) -> None:
    heard: list[int] = []
    wanted, model = "", runtime.load(path)
    for line in ("hello\n", "again\n"):
        heard += Bytes().encode(line)
        answer = generate(model, heard, max_tokens=200)
        wanted += "".join(text_stream(answer, Bytes(), stop=["\n"])) + "\n"
        heard += answer.chosen
    assert said(path, ["hello\n", "again\n"]) == wanted


def test_a_turn_that_was_taken_back_was_never_said(path: str) -> None:
    first, again = said(path, ["hello\n"]), said(path, ["hello\n", "other\n", "/undo\n", "hello\n"])
    assert again.startswith(first)
    assert again.endswith(said(path, ["hello\n", "hello\n"]).removeprefix(first))
    assert said(path, ["/undo", "hello"]) == first


def test_a_full_model_begins_anew(tmp_path: Path) -> None:
    path = language_models.recurrent(256, max_context=50).save(tmp_path / "chat.onnx")
    answer = said(path, ["hello\n"])
    assert answer.endswith("\n(the model can hold no more of this: we begin anew)\n")
    assert said(path, ["hello\n", "hello\n"]) == 2 * answer
    assert said(path, ["hello" * 11, "hello\n"]).endswith("we begin anew)\n" + answer)


def test_the_command(path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", ["hello\n"])
    chat.main(path)
    assert capsys.readouterr().out.endswith("\n")
