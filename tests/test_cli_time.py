"""Seconds from the export to the measurement: a period that is given once is what every later command knows."""

from __future__ import annotations

import json
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from edgeseq.cli import main

SOURCE = """
import torch
from torch import nn


class Tracker(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Embedding(1024, 4)
        self.conv = nn.Conv1d(4, 4, 7, padding=3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.place(torch.arange(x.shape[1]))
        return self.conv(x.transpose(1, 2)).transpose(1, 2)


class Echo(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(1, 2, batch_first=True)

    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        return self.gru(wave.unsqueeze(2))[0].sum(2)
"""


@pytest.fixture
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))


def invoke(*arguments: str) -> Result:
    torch.manual_seed(0)
    return CliRunner().invoke(main, arguments)


def facts(text: str) -> dict[str, str]:
    """The lines below the tables of ``inspect``, by label."""
    return {line[:17].strip(): line[17:] for line in text.splitlines()}


@pytest.mark.usefixtures("_folder")
def test_a_limited_model_with_a_frame_period() -> None:
    made = ["net.py:Tracker", "--input", "x=float32[batch,time,4]", "-o", "m.onnx"]
    exported = invoke("export", *made, "--frame-period", "2ms", "--json", "-")
    assert exported.exit_code == 0, exported.output
    assert exported.stderr.splitlines()[-1] == "warning: a stream runs for 1,024 frames (2.05 s), then ContextFull"
    assert json.loads(exported.stdout)["seconds"] == {
        "frame_period": 0.002,
        "delay": 0.006,
        "receptive_field": 0.014,
        "shortest_stream": 0.002,
        "runs_for": 2.048,
    }
    inspected = facts(invoke("inspect", "m.onnx").stdout)
    assert inspected["frame period"] == "2 ms (500 Hz)"
    assert inspected["delay"] == "3 frames (6 ms)"
    assert inspected["receptive field"] == "7 frames (14 ms)"
    assert inspected["runs for"] == "1,024 frames (2.05 s), then ContextFull"
    bench = invoke("bench", "m.onnx", "--steps=3", "--runs=1", "--warmup=0", "--chunk=2", "--deadline=1s", "--json=-")
    assert bench.exit_code == 0, bench.output
    found = json.loads(bench.stdout)
    latency = found["subjects"][0]["latency"]
    assert (latency["settings"]["period_ns"], latency["settings"]["frames"]) == (4_000_000, 2)
    assert latency["deadline"] == {"deadline_ns": 10**9, "steps": [3], "misses": [0]}
    assert latency["file"]["digest"] == json.loads(invoke("inspect", "m.onnx", "--json=-").stdout)["contract"]["digest"]


@pytest.mark.usefixtures("_folder")
def test_a_limited_model_without_a_period_is_warned_of_in_frames() -> None:
    made = ["net.py:Tracker", "--input", "x=float32[batch,time,4]", "-o", "m.onnx"]
    exported = invoke("export", *made)
    assert exported.exit_code == 0, exported.output
    assert exported.stderr.splitlines()[-1] == "warning: a stream runs for 1,024 frames, then ContextFull"


def write_sound(path: Path, rate: int) -> None:
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(np.arange(-50, 50, dtype="<i2").tobytes())


@pytest.mark.usefixtures("_folder")
def test_a_model_of_sound_knows_its_sample_rate() -> None:
    made = ["net.py:Echo", "--input", "wave=float32[batch,time]", "-o", "m.onnx", "--sample-rate", "44100"]
    exported = invoke("export", *made)
    assert exported.exit_code == 0, exported.output
    assert "warning" not in exported.stderr
    inspected = facts(invoke("inspect", "m.onnx").stdout)
    assert inspected["frame period"] == "22.7 us (44,100 Hz)"
    assert inspected["runs for"] == "unlimited"
    write_sound(Path("right.wav"), 44100)
    write_sound(Path("wrong.wav"), 48000)
    assert invoke("run", "m.onnx", "right.wav", "-o", "y.wav").exit_code == 0
    with wave.open("y.wav", "rb") as sound:
        assert (sound.getframerate(), sound.getnframes()) == (44100, 100)
    refused = invoke("run", "m.onnx", "wrong.wav", "-o", "z.wav")
    assert (refused.exit_code, refused.stderr) == (
        2,
        "error: wrong sample rate at wrong.wav (got 48,000 Hz, wanted 44,100 Hz). Resample it to 44,100 Hz.\n",
    )
