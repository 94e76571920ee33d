"""The commands one after another on a real model: export, inspect, verify, run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

SOURCE = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, hidden: int = 16) -> None:
        super().__init__()
        self.gru = nn.GRU(4, hidden, batch_first=True)

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.gru(x, h)


class Flipped(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flip(1)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a model's source and its weights."""
    (tmp_path / "net.py").write_text(SOURCE)
    torch.manual_seed(0)
    gru = nn.GRU(4, 8, batch_first=True)
    torch.save({"state_dict": {f"gru.{name}": value for name, value in gru.state_dict().items()}}, tmp_path / "w.pt")
    x = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "h.npy", np.full((1, 1, 8), 0.5, np.float32))
    with torch.no_grad():
        y, _ = gru(torch.from_numpy(x)[None], torch.full((1, 1, 8), 0.5))
    np.save(tmp_path / "expected.npy", y[0].numpy())
    return tmp_path


def edgeseq(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A call of the program in a process of its own."""
    command = [sys.executable, "-c", "from edgeseq.cli import main; main()", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_export_inspect_verify_run(folder: Path) -> None:
    model = ["net.py:Net", "--weights", "w.pt", "--arg", "hidden=8"]
    inputs = ["--input", "x=float32[batch,time,4]", "--input", "h=float32[1,batch,8]"]
    exported = edgeseq(folder, "export", *model, *inputs, "-o", "m.onnx", "--frame-period", "8ms", "--json", "e.json")
    taken = "weights: taken from 'state_dict' in w.pt\n"
    assert (exported.returncode, exported.stderr) == (0, taken)
    assert json.loads((folder / "e.json").read_text())["verification"]["passed"] is True

    inspected = edgeseq(folder, "inspect", "m.onnx")
    assert inspected.returncode == 0
    assert exported.stdout.startswith(
        "inputs, as they were read:\n  x: float32, batch x time x 4, frames along axis 1\n"
    )
    assert inspected.stdout in exported.stdout

    verified = edgeseq(folder, "verify", "m.onnx", "--model", *model)
    assert (verified.returncode, verified.stderr) == (0, taken)
    assert edgeseq(folder, "verify", "m.onnx", "--model", "net.py:Net", "--arg", "hidden=8").returncode == 1

    ran = edgeseq(folder, "run", "m.onnx", "x.npy", "--input", "h=h.npy", "-o", "y.npz")
    assert (ran.returncode, ran.stderr) == (0, "")
    with np.load(folder / "y.npz") as outputs:
        np.testing.assert_allclose(outputs[outputs.files[0]], np.load(folder / "expected.npy"), rtol=1e-4, atol=1e-5)


def test_what_cannot_be_streamed_leaves_no_file(folder: Path) -> None:
    result = edgeseq(folder, "export", "net.py:Flipped", "--input", "x=float32[batch,time,4]", "-o", "m.onnx")
    assert result.returncode == 1
    assert result.stderr.startswith("error: cannot stream aten.flip")
    assert "net.py:17" in result.stderr
    assert not (folder / "m.onnx").exists()
