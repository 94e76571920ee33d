"""What the audio loop needs: a noise gate as gate.onnx and a recording as noisy.wav.

python -m examples.gate FOLDER    (needs PyTorch; some seconds)
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

import edgeseq
from edgeseq.io.wav import save_wav

RATE, BINS = 48000, 257


class Gate(torch.nn.Module):
    """A mask that lets through the bins that are loud in a frame and in those beside it; nothing is learned."""

    def __init__(self, threshold: float = 1.0) -> None:
        super().__init__()
        self.smooth = torch.nn.Conv1d(BINS, BINS, 3, padding=1, groups=BINS, bias=False)
        self.smooth.weight.data[:] = torch.tensor([0.25, 0.5, 0.25])
        self.threshold = threshold

    def forward(self, magnitudes: torch.Tensor) -> torch.Tensor:
        level: torch.Tensor = self.smooth(magnitudes.transpose(1, 2)).transpose(1, 2)
        return torch.sigmoid(8 * (level - self.threshold))


def noisy(seconds: float) -> npt.NDArray[np.float32]:
    """Three notes a second, in noise."""
    t = np.arange(int(seconds * RATE)) / RATE
    notes = 0.3 * np.sin(2 * np.pi * 440 * (1 + t.astype(int)) * t) * (3 * t % 1 < 0.5)
    return (notes + 0.02 * np.random.default_rng(0).standard_normal(len(t))).astype(np.float32)


def main(folder: str, seconds: float = 3.0) -> None:
    inputs = {"magnitudes": f"float32[batch,time,{BINS}]"}
    edgeseq.export(Gate(), inputs, Path(folder) / "gate.onnx", frame_period=256 / RATE)
    save_wav(Path(folder) / "noisy.wav", [noisy(seconds)], RATE)


if __name__ == "__main__":
    main(sys.argv[1])
