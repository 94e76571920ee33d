"""Where ``MODEL`` comes from, and what is said when it does not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeseq.cli.model_source import load_model, read_value
from edgeseq.errors import EdgeseqError, UsageError

SOURCE = """
import torch
from neighbour import SIZE


class Net(torch.nn.Module):
    def __init__(self, hidden: int = SIZE, kind: str = "gru") -> None:
        super().__init__()
        self.kind = kind
        self.linear = torch.nn.Linear(hidden, hidden)


def make(hidden: int) -> Net:
    return Net(hidden)


def number() -> int:
    return 3


ready = Net()
constant = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a model file and a module beside it; what they add to the interpreter is taken away again."""
    (tmp_path / "net.py").write_text(SOURCE)
    (tmp_path / "neighbour.py").write_text("SIZE = 4\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) & {"net", "neighbour", "edgeseq_model_net"} - before:
        del sys.modules[name]


def hidden(model: Any) -> int:
    return int(model.linear.in_features)


@pytest.mark.parametrize("where", ["net.py", "net", "./net.py"])
def test_class_function_and_module(folder: Path, where: str) -> None:
    assert hidden(load_model(f"{where}:Net")) == 4
    assert hidden(load_model(f"{where}:make", (("hidden", "8"),))) == 8
    assert hidden(load_model(f"{where}:ready")) == 4


def test_arguments_are_literals_or_words(folder: Path) -> None:
    model: Any = load_model("net.py:Net", (("hidden", "2"), ("kind", "lstm")))
    assert (hidden(model), model.kind) == (2, "lstm")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("128", 128),
        ("1e-3", 1e-3),
        ("True", True),
        ("None", None),
        ("(1, 2)", (1, 2)),
        ("'a b'", "a b"),
        ("gru", "gru"),
    ],
)
def test_reads_a_value(text: str, value: object) -> None:
    assert read_value("x", text) == value


@pytest.mark.parametrize("text", ["[1, 2", "a b", "12x", "f(3)"])
def test_refuses_other_values(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_value("x", text)
    assert str(caught.value) == (
        f"cannot read argument 'x' (got {text!r}, wanted a Python literal or one bare word). Example: hidden=128."
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "net.py",
            "cannot read a model (got 'net.py', wanted package.module:factory, file.py:factory or a saved .pt2). "
            "Example: model.py:Denoiser.",
        ),
        (
            "w.safetensors",
            "a file of weights is no MODEL (got w.safetensors, wanted package.module:factory, file.py:factory or a "
            "saved .pt2). Name the factory of the module and add --weights w.safetensors.",
        ),
        ("gone.py:Net", "no such model file (got gone.py)."),
        ("gone:Net", "no such module (got gone). Give an importable name, or the path of a file that ends in .py."),
        ("net.py:Nett", "no 'Nett' in net.py (wanted one of Net, make, number, ready)."),
        ("net.py:constant", "net.py:constant makes no module (got int, wanted a factory or an nn.Module)."),
        ("net.py:number", "net.py:number makes no module (got int, wanted an nn.Module)."),
        (
            "net.py:make",
            "cannot call net.py:make: missing a required argument: 'hidden'. Give its arguments with --arg NAME=VALUE.",
        ),
    ],
)
def test_says_what_is_wrong_with_the_source(folder: Path, source: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_model(source)
    assert str(caught.value) == message


def test_a_module_takes_no_arguments(folder: Path) -> None:
    with pytest.raises(UsageError, match="^net.py:ready is a module already: --arg is for a factory"):  # noqa: RUF043
        load_model("net.py:ready", (("hidden", "3"),))


def test_a_file_is_run_once(folder: Path) -> None:
    (folder / "net.py").write_text("import torch\nimport os\n\nos.mkdir('run')\nready = torch.nn.Identity()\n")
    first = load_model("net.py:ready")
    assert load_model("./net.py:ready") is first


def failing(source: str) -> str:
    with pytest.raises(EdgeseqError) as caught:
        load_model(source)
    assert not isinstance(caught.value, UsageError)
    return str(caught.value)


def test_the_users_own_traceback_comes_before_our_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "net.py").write_text("def make():\n    raise ValueError('hidden must be even.\\nIt is 3.')\n")
    assert failing("net.py:make") == "calling net.py:make raised ValueError: hidden must be even."
    shown = capsys.readouterr().err
    assert shown.startswith("Traceback (most recent call last):\n  File ")
    assert shown.count("  File ") == 1, "frames of ours are in it"
    assert 'net.py", line 2, in make' in shown
    assert shown.endswith("ValueError: hidden must be even.\nIt is 3.\n")


@pytest.mark.parametrize(
    ("source", "text", "message"),
    [
        (
            "net:Net",
            "import something_that_is_not_there\n",
            "importing net raised ModuleNotFoundError: No module named 'something_that_is_not_there'.",
        ),
        ("net.py:Net", "1 / 0\n", "loading net.py raised ZeroDivisionError: division by zero."),
        ("net.py:Net", "def broken(:\n", "loading net.py raised SyntaxError: invalid syntax (net.py, line 1)."),
        (
            "net.py:Net",
            "import sys\nsys.exit(3)\n",
            "loading net.py ended the program: it called sys.exit(3). Put what the file does when it is run under: "
            "if __name__ == '__main__'.",
        ),
    ],
)
def test_says_where_the_users_code_raised(folder: Path, source: str, text: str, message: str) -> None:
    (folder / "net.py").write_text(text)
    assert failing(source) == message


def test_a_file_that_raised_is_run_again(folder: Path) -> None:
    (folder / "net.py").write_text("1 / 0\n")
    failing("net.py:Net")
    (folder / "net.py").write_text(SOURCE)
    assert hidden(load_model("net.py:Net")) == 4


def test_interruption_stays_one(folder: Path) -> None:
    (folder / "net.py").write_text("def make():\n    raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load_model("net.py:make")
