"""Where ``MODEL`` and ``--weights`` come from, and what is said when they do not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from edgeseq.cli.model_source import load_model, read_value
from edgeseq.errors import UsageError

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
            "cannot read a model (got 'net.py', wanted package.module:factory or file.py:factory). "
            "Example: model.py:Denoiser.",
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


def test_what_the_users_code_raises_passes_through(folder: Path) -> None:
    (folder / "net.py").write_text("import something_that_is_not_there\n")
    with pytest.raises(ModuleNotFoundError, match="something_that_is_not_there"):
        load_model("net:Net")


@pytest.mark.parametrize("nesting", [(), ("state_dict",), ("model_state_dict",), ("model",), ("model", "state_dict")])
def test_weights_are_loaded(folder: Path, nesting: tuple[str, ...]) -> None:
    weights = {"linear.weight": torch.full((4, 4), 2.0), "linear.bias": torch.zeros(4)}
    document: Any = weights
    for name in reversed(nesting):
        document = {name: document, "epoch": 3}
    torch.save(document, "w.pt")
    model: Any = load_model("net.py:Net", weights=Path("w.pt"))
    assert torch.equal(model.linear.weight, weights["linear.weight"])


def test_a_common_prefix_is_dropped_and_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"module.linear.weight": torch.full((4, 4), 2.0), "module.linear.bias": torch.zeros(4)}, "w.pt")
    model: Any = load_model("net.py:Net", weights=Path("w.pt"))
    assert model.linear.weight[0, 0].item() == 2.0
    assert capsys.readouterr().err == "weights: every name in w.pt begins with 'module.', which was dropped\n"


def weights_error(path: str) -> str:
    with pytest.raises(UsageError) as caught:
        load_model("net.py:Net", weights=Path(path))
    return str(caught.value)


def test_weights_that_do_not_fit(folder: Path) -> None:
    torch.save({"linear.weight": torch.zeros(4, 4), "linear.bais": torch.zeros(4)}, "w.pt")
    assert weights_error("w.pt") == (
        "weights do not fit the model at w.pt: missing linear.bias; unexpected linear.bais."
    )
    torch.save({"linear.weight": torch.zeros(3, 4), "linear.bias": torch.zeros(4)}, "w.pt")
    assert "size mismatch for linear.weight" in weights_error("w.pt")


def test_weights_that_are_none(folder: Path) -> None:
    assert weights_error("w.safetensors") == (
        "cannot read weights at w.safetensors (got .safetensors, wanted .pt, .pth or .ckpt (.safetensors is not read "
        "yet))."
    )
    assert weights_error("gone.pt") == "no such weights file (got gone.pt)."
    torch.save([1, 2], "w.pt")
    assert weights_error("w.pt") == "no state_dict in the weights file (got w.pt, wanted a dict from names to tensors)."
    for content in (b"", b"not a checkpoint"):
        Path("w.pt").write_bytes(content)
        assert weights_error("w.pt").startswith("cannot read weights at w.pt: ")


def test_a_whole_pickled_module_is_refused(folder: Path) -> None:
    torch.save(torch.nn.Linear(4, 4), "w.pt")
    message = weights_error("w.pt")
    assert message.startswith("cannot read weights at w.pt: ")
    assert message.endswith("Save them with torch.save(model.state_dict(), path).")
