"""``edgeseq generate``: tokens in and out, or text, as it comes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from edgeseq import runtime
from edgeseq.cli import main
from edgeseq.cli.generate import shown
from edgeseq.io.text import Bytes, generate
from tests import language_models

TOKENIZER = """
from edgeseq.io.text import Bytes

class Upper(Bytes):
    def decode(self, tokens):
        return super().decode([65 + token % 26 for token in tokens])

def make():
    return Upper()

def fail():
    raise OSError("no vocabulary")

def odd():
    return 3

made = Upper()
"""


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["generate", *map(str, arguments)])


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))  # which loading a tokenizer adds to
    language_models.recurrent().save(Path("m.onnx"))


@pytest.fixture
def bytes_model() -> str:
    Path("tok.py").write_text(TOKENIZER)
    return language_models.recurrent(256).save(Path("b.onnx"))


def test_tokens_in_tokens_out() -> None:
    wanted = list(generate(runtime.load("m.onnx"), [3, 1, 4], max_tokens=9, temperature=1.0, seed=5, top_p=0.8))
    given = ("m.onnx", "--tokens", "3,1,4", "--max-tokens", 9, "--temperature", 1, "--seed", 5, "--top-p", 0.8)
    result = invoke(*given)
    assert (result.exit_code, result.output) == (0, ",".join(map(str, wanted)) + "\n")
    report = json.loads(invoke(*given, "--json", "-").output)
    assert report == {
        "format": "edgeseq.generate",
        "version": 1,
        "path": "m.onnx",
        "prompt": [3, 1, 4],
        "tokens": wanted,
        "stopped_by": "max_tokens",
    }
    stopped = json.loads(invoke(*given, "--json", "-", "--stop-tokens", f"{wanted[3]},{wanted[4]}").output)
    assert stopped["stopped_by"] == "stop"


def test_text_in_text_out(bytes_model: str) -> None:
    tokens = list(generate(runtime.load(bytes_model), Bytes().encode("hé"), max_tokens=20, temperature=1.0, seed=1))
    given = (bytes_model, "--prompt", "hé", "--temperature", 1, "--seed", 1, "--max-tokens", 20, "--tokenizer")
    assert invoke(*given, "bytes").output == Bytes().decode(tokens) + "\n"
    upper = "".join(chr(65 + token % 26) for token in tokens)
    for name in ("make", "made", "Upper"):
        assert invoke(*given, f"tok.py:{name}").output == upper + "\n"
    assert invoke(*given, "tok.py:make", "--stop", upper[4:7]).output == upper[: upper.index(upper[4:7])] + "\n"


def test_a_full_context_is_said() -> None:
    language_models.recurrent(max_context=6).save(Path("m.onnx"))
    result = invoke("m.onnx", "--tokens", "1,2")
    assert result.stderr == "the context is full: 6 tokens\n"
    assert len(result.stdout.split(",")) == 5


def test_conditioning_comes_from_files() -> None:
    model = language_models.started().save(Path("s.onnx"))
    memory = np.full((1, 1, 8), 2, np.float32)
    np.save("memory.npy", memory)
    wanted = list(generate(runtime.load(model), [1], max_tokens=8, conditioning={"memory": memory}))
    given = (model, "--tokens", 1, "--max-tokens", 8)
    assert invoke(*given, "--input", "memory=memory.npy").output == ",".join(map(str, wanted)) + "\n"
    assert "no such conditioning (got voice, wanted memory)" in invoke(*given, "--input", "voice=memory.npy").stderr


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        (["--prompt", "a"], 2, "text needs a tokenizer (got --prompt)"),
        (["--tokens", "1", "--stop", "a"], 2, "text needs a tokenizer (got --stop)"),
        ([], 2, "there must be one prompt (got none)"),
        (["--tokens", "1", "--prompt", "a", "--tokenizer", "bytes"], 2, "there must be one prompt (got two)"),
        (["--tokens", "1,x"], 2, "cannot read tokens"),
        (["--tokens", "1", "--top-k", "2"], 2, "temperature 0 draws none"),
        (["--prompt", "a", "--tokenizer", "words"], 2, "cannot read a tokenizer"),
        (["--prompt", "a", "--tokenizer", "tok.py:odd"], 2, "tok.py:odd makes no tokenizer (got int"),
        (["--prompt", "a", "--tokenizer", "tok.py:fail"], 1, "calling tok.py:fail raised OSError: no vocabulary"),
        (["--prompt", "", "--tokenizer", "bytes"], 2, "the prompt is empty"),
    ],
)
def test_a_wrong_call_is_one_line(bytes_model: str, given: list[str], code: int, message: str) -> None:
    result = invoke(bytes_model, *given)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in " ".join(result.stderr.split())


def test_a_terminal_is_told_nothing_to_obey() -> None:
    assert shown("a\x1b[2J\u202e\tb\n") == "a\\x1b[2J\\u202e\tb\n"
