"""What the sensor loop needs: a small recurrent classifier of motion, trained on made-up readings, as motion.onnx.

python -m examples.motion FOLDER    (needs PyTorch; half a minute)
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

import edgeseq
from examples.sensor_loop import motion


class Motion(torch.nn.Module):
    """Scores of three kinds of motion at every reading."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = torch.nn.GRU(6, 24, batch_first=True)
        self.head = torch.nn.Linear(24, 3)

    def forward(self, readings: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.head(self.gru(readings)[0])
        return scores


def trained(steps: int) -> Motion:
    torch.manual_seed(0)
    model = Motion()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for step in range(steps):
        readings, kinds = zip(*(motion(6, seed=100 + 8 * step + row) for row in range(8)), strict=True)
        scores = model(torch.from_numpy(np.stack(readings)))
        loss = F.cross_entropy(scores.flatten(0, 1), torch.from_numpy(np.concatenate(kinds)))
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
    return model


def main(folder: str, steps: int = 60) -> None:
    inputs = {"readings": "float32[batch,time,6]"}
    edgeseq.export(trained(steps), inputs, Path(folder) / "motion.onnx", frame_period=0.01)


if __name__ == "__main__":
    main(sys.argv[1])
