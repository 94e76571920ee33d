"""Float files that the tests of this folder quantize, exported once."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import edgeseq
from benchmarks.models import Block


class Recurrent(nn.Module):
    def __init__(self, kind: str, **options: int) -> None:
        super().__init__()
        self.rnn = getattr(nn, kind)(24, 40, batch_first=True, **options)
        self.head = nn.Linear(options.get("proj_size", 40), 32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.head(self.rnn(x)[0])
        return out


class Language(nn.Module):
    def __init__(self, *, tied: bool = False) -> None:
        super().__init__()
        self.tokens = nn.Embedding(50, 32)
        self.positions = nn.Embedding(200, 32)
        self.block = Block(32, 2)
        self.head = nn.Linear(32, 50, bias=False)
        if tied:
            self.head.weight = self.tokens.weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[1], device=tokens.device))
        out: torch.Tensor = self.head(self.block(x))
        return out


def _exported(folder: Path, name: str, model: nn.Module, spec: dict[str, str]) -> Path:
    torch.manual_seed(0)
    return edgeseq.export(model, spec, folder / f"{name}.onnx", golden=False).path


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("float")


@pytest.fixture(scope="session")
def gru(folder: Path) -> Path:
    torch.manual_seed(1)
    return _exported(folder, "gru", Recurrent("GRU", num_layers=2), {"x": "float32[batch,time,24]"})


@pytest.fixture(scope="session")
def projected(folder: Path) -> Path:
    torch.manual_seed(1)
    return _exported(folder, "projected", Recurrent("LSTM", proj_size=20), {"x": "float32[batch,time,24]"})


@pytest.fixture(scope="session")
def language(folder: Path) -> Path:
    torch.manual_seed(1)
    return _exported(folder, "language", Language(), {"tokens": "int64[batch,time]"})


@pytest.fixture(scope="session")
def tied(folder: Path) -> Path:
    torch.manual_seed(1)
    return _exported(folder, "tied", Language(tied=True), {"tokens": "int64[batch,time]"})
