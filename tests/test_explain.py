"""``explain`` says what ``export`` would write, and refuses what it would refuse, without a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import edgeseq
from edgeseq.contract import Contract
from edgeseq.errors import EdgeseqError, UsageError
from edgeseq.exporters import explain
from tests.models import BY_ID

X = {"x": "float32[batch,time,8]"}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Attending(nn.Module):
    """Attention over everything: not causal."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)  # type: ignore[no-any-return]


class Placed(nn.Module):
    """One head of causal attention over frames with learned positions, 96 of them."""

    def __init__(self) -> None:
        super().__init__()
        self.positions = nn.Embedding(96, 8)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.positions(torch.arange(x.shape[1], device=x.device))
        return nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True)


def without_what_the_file_tells(contract: Contract) -> Contract:
    return replace(contract, opset={}, verification=None, digest=None, seal=None, provenance={}, min_frames=1)


@pytest.mark.parametrize("name", ["state-without-layers", "keyword-spotter"])
def test_the_contract_is_that_of_the_export(name: str, tmp_path: Path) -> None:
    row = BY_ID[name]
    told = explain(row.build(), row.inputs)
    written = edgeseq.export(row.build(), row.inputs, tmp_path / "m.onnx").contract
    assert without_what_the_file_tells(told) == without_what_the_file_tells(written)
    assert told.min_frames >= written.min_frames
    assert (told.verification, told.opset) == (None, {})


def test_wishes_are_part_of_it() -> None:
    contract = explain(Placed(), X, max_context=40, frame_period=0.008, outputs=["logits"], ops="portable")
    assert (contract.max_context, contract.frame_period, contract.chunk.max_batched) == (40, 0.008, None)
    assert [port.name for port in contract.with_role("output")] == ["logits"]


@pytest.mark.parametrize(
    "wishes", [{"ops": "fast"}, {"max_context": 0}, {"max_context": 97}, {"frame_period": 0.0}, {"outputs": ["a", "b"]}]
)
def test_refuses_what_export_refuses(wishes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError) as told:
        explain(Placed(), X, **wishes)
    with pytest.raises(UsageError) as refused:
        edgeseq.export(Placed(), X, tmp_path / "m.onnx", **wishes)
    assert str(told.value) == str(refused.value)


def test_names_what_does_not_stream(tmp_path: Path) -> None:
    with pytest.raises(EdgeseqError) as told:
        explain(Attending(), X)
    with pytest.raises(EdgeseqError) as refused:
        edgeseq.export(Attending(), X, tmp_path / "m.onnx")
    assert str(told.value) == str(refused.value)


def test_writes_nothing_and_leaves_the_model_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    model = BY_ID["time-distributed"].build().train()
    modes = [part.training for part in model.modules()]
    explain(model, BY_ID["time-distributed"].inputs)
    assert [part.training for part in model.modules()] == modes
    assert os.listdir() == []
