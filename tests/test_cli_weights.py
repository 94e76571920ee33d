"""``--weights``: which state_dict of a file is taken, what is said about it, and what does not fit."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file, save_model
from torch import nn

from edgeseq.cli.weights import load_weights
from edgeseq.errors import EdgeseqError, NotInstalled, UsageError


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(3, 4)
        self.norm = nn.BatchNorm1d(4)
        self.linear = nn.Linear(4, 2)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 4)
        self.head = nn.Linear(4, 7, bias=False)
        self.head.weight = self.embed.weight


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def trained(seed: int = 1) -> dict[str, Any]:
    torch.manual_seed(seed)
    return {name: torch.rand(value.shape).to(value.dtype) for name, value in Net().state_dict().items()}


def load(document: Any, name: str = "w.pt", model: nn.Module | None = None, trust: bool = False) -> nn.Module:
    torch.save(document, name)
    return loaded(name, model, trust)


def loaded(name: str, model: nn.Module | None = None, trust: bool = False) -> nn.Module:
    model = model or Net()
    load_weights(model, Path(name), trust)
    return model


def assert_holds(model: nn.Module, weights: dict[str, Any]) -> None:
    for name, value in model.state_dict().items():
        assert torch.equal(value, weights[name]), name


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def refusal(name: str, model: nn.Module | None = None, trust: bool = False) -> str:
    with pytest.raises(UsageError) as caught:
        loaded(name, model, trust)
    return str(caught.value)


# -- where they lie ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["w.pt", "w.pth", "w.ckpt"])
def test_a_plain_state_dict_is_loaded_in_silence(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    weights = trained()
    assert_holds(load(weights, name), weights)
    assert said(capsys) == []


def test_safetensors(capsys: pytest.CaptureFixture[str]) -> None:
    weights = trained()
    save_file(weights, "w.safetensors")
    assert_holds(loaded("w.safetensors"), weights)
    assert said(capsys) == []


@pytest.mark.parametrize(
    "place", ["state_dict", "model_state_dict", "model", "net", "generator", "ema", "model.state_dict"]
)
def test_a_nested_state_dict_is_found_and_said(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    document: Any = trained()
    for name in reversed(place.split(".")):
        document = {"epoch": 3, name: document, "rates": [0.1]}
    assert_holds(load(document), trained())
    assert said(capsys) == [f"weights: taken from {place!r} in w.pt"]


def test_the_dict_whose_names_fit_best_is_taken() -> None:
    document = {"model": nn.Linear(4, 2).state_dict(), "generator": trained(), "scaler": {"scale": torch.ones(())}}
    assert_holds(load(document), trained())


def test_shapes_decide_where_names_are_equal() -> None:
    larger = {name: torch.zeros(9, 9) for name in trained()}
    assert_holds(load({"model": larger, "net": trained()}), trained())


def test_the_usual_name_is_taken_of_two_that_fit(capsys: pytest.CaptureFixture[str]) -> None:
    assert_holds(load({"ema": trained(2), "model": trained(1)}), trained(1))
    assert said(capsys) == ["weights: taken from 'model' in w.pt; 'ema' would fit as well"]


# -- prefixes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["module.", "model.", "_orig_mod.", "module._orig_mod."])
def test_a_common_prefix_is_dropped_and_said(prefix: str, capsys: pytest.CaptureFixture[str]) -> None:
    weights = trained()
    assert_holds(load({prefix + name: value for name, value in weights.items()}), weights)
    assert said(capsys) == [f"weights: every name in w.pt began with {prefix!r}, which was dropped"]


def test_what_lies_beside_the_prefix_is_left_out_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    lightning = {f"model.{name}": value for name, value in trained().items()} | {"criterion.scale": torch.ones(3)}
    assert_holds(load({"state_dict": lightning, "hyper_parameters": {"lr": 0.1}}, "w.ckpt"), trained())
    assert said(capsys) == [
        "weights: taken from 'state_dict' in w.ckpt",
        "weights: 11 names in w.ckpt began with 'model.', which was dropped",
        "weights: left out, without that prefix: criterion.scale",
    ]


def test_two_parts_that_fit_are_not_chosen_between() -> None:
    both = {f"{part}.{name}": value for part in ("student", "teacher") for name, value in trained().items()}
    torch.save(both, "w.pt")
    assert refusal("w.pt") == (
        "several parts of the weights file fit the model at w.pt (got student.* and teacher.*, wanted one). Save the "
        "part that you mean in a file of its own."
    )


# -- what does not fit -------------------------------------------------------------------------------------------------


def test_missing_unexpected_and_shapes_are_listed_by_name() -> None:
    weights = trained()
    weights["linear.bais"] = weights.pop("linear.bias")
    weights["linear.weight"] = torch.zeros(3, 4)
    torch.save({"state_dict": weights}, "w.pt")
    assert refusal("w.pt") == (
        "weights do not fit the model at w.pt, 'state_dict': missing linear.bias; unexpected linear.bais; "
        "linear.weight is [3, 4] in the file and [2, 4] in the model."
    )


def test_long_lists_are_cut() -> None:
    torch.save({f"x{index}": torch.zeros(1) for index in range(14)}, "w.pt")
    message = refusal("w.pt")
    assert "missing gru.weight_ih_l0, gru.weight_hh_l0, " in message
    assert message.endswith("unexpected x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, and 4 more.")


@pytest.mark.parametrize("where", ["file", "model"])
def test_a_counter_that_only_training_reads_may_lack(where: str) -> None:
    weights = trained()
    model: nn.Module = Net()
    if where == "file":
        del weights["norm.num_batches_tracked"]
    else:
        model.norm = nn.LayerNorm(4)
        del weights["norm.running_mean"], weights["norm.running_var"]
    assert torch.equal(load(weights, model=model).norm.weight, weights["norm.weight"])  # type: ignore[union-attr,arg-type]


def test_one_name_of_a_tied_weight_is_enough(capsys: pytest.CaptureFixture[str]) -> None:
    tied = Tied()
    save_model(tied, "w.safetensors")  # writes one name of the two
    model: Any = loaded("w.safetensors", Tied())
    assert torch.equal(model.head.weight, tied.embed.weight)
    assert model.head.weight is model.embed.weight
    assert said(capsys) == []


def test_a_weight_that_is_not_tied_is_missing() -> None:
    save_model(Tied(), "w.safetensors")
    model = Tied()
    model.head.weight = nn.Parameter(model.embed.weight.detach().clone())
    assert "missing " in refusal("w.safetensors", model)


def test_weight_norm_of_an_older_torch_is_translated() -> None:
    old = {"weight_g": torch.ones(2, 1), "weight_v": torch.ones(2, 3), "bias": torch.zeros(2)}
    model: Any = load(old, model=nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)))
    assert torch.equal(model.parametrizations.weight.original1, old["weight_v"])


def test_rounding_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    load({name: value.double() if value.is_floating_point() else value for name, value in trained().items()})
    assert said(capsys) == ["weights: rounded from float64 to float32"]
    load({name: value.half() if value.is_floating_point() else value for name, value in trained().items()})
    assert said(capsys) == []


# -- what cannot be read -----------------------------------------------------------------------------------------------


def test_files_that_are_no_weights() -> None:
    Path("w.bin").touch()
    assert refusal("w.bin") == "cannot read weights at w.bin (got .bin, wanted one of .pt, .pth, .ckpt, .safetensors)."
    assert refusal("gone.pt") == "no such weights file (got gone.pt)."
    torch.save([1, 2], "w.pt")
    assert refusal("w.pt") == "no state_dict in the weights file (got w.pt, wanted a dict from names to tensors)."
    torch.save({"a": {"b": {"c": trained()}}}, "w.pt")
    assert refusal("w.pt") == "no state_dict in the weights file (got w.pt, wanted a dict from names to tensors)."


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"not a checkpoint"])
def test_broken_files(name: str, content: bytes) -> None:
    Path(name).write_bytes(content)
    assert refusal(name).startswith(f"cannot read weights at {name}: ")


def test_a_whole_pickled_module_needs_trust(capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(1)
    model = nn.Linear(4, 4)
    torch.save(model, "w.pt")
    assert refusal("w.pt", nn.Linear(4, 4)) == (
        "the weights file holds more than tensors at w.pt: reading it would run code that it names: "
        "torch.nn.modules.linear.Linear. Add --trust if you trust whoever made it, or save the weights alone: "
        "torch.save(model.state_dict(), path)."
    )
    assert_holds(loaded("w.pt", nn.Linear(4, 4), trust=True), model.state_dict())
    assert said(capsys) == ["weights: w.pt holds a whole Linear, of which the weights are taken"]


def test_a_checkpoint_with_other_objects_needs_trust() -> None:
    torch.save({"model": trained(), "args": argparse.Namespace(lr=0.1)}, "w.pt")
    assert "reading it would run code that it names: argparse.Namespace. Add --trust" in refusal("w.pt")
    assert_holds(loaded("w.pt", trust=True), trained())


class Gone:
    """A class that is not there when the file is read."""


def test_a_trusted_file_whose_class_is_gone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"model": trained(), "extra": Gone()}, "w.pt")
    monkeypatch.delattr(sys.modules[__name__], "Gone")
    with pytest.raises(EdgeseqError, match=r"^reading w\.pt raised AttributeError: .*Gone"):
        loaded("w.pt", trust=True)
    assert capsys.readouterr().err.startswith("Traceback (most recent call last):\n")


def test_without_safetensors_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("w.safetensors").touch()
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(NotInstalled) as caught:
        loaded("w.safetensors")
    assert str(caught.value) == (
        "cannot read .safetensors: safetensors is not installed. Run pip install 'edgeseq[export]'."
    )
