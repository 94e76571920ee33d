"""Rows of ``rules/framing.py``: overlapping windows; and of folds that a convolution or a position meets."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from tests.rules.row import FRAMES, Row, alike, headed

IMAGES = {"x": "float32[batch,3,time,5]"}
SAMPLES = {"x": "float32[batch,time]"}

ROWS = (
    alike("aten.unfold.default", lambda x: x.unfold(2, 3, 1)),
    alike("aten.unfold.default", lambda x: x.unfold(-1, 2, 2), "without overlap"),
    Row("aten.unfold.default", "along time", lambda _, x: x.unfold(1, 5, 2), delay=4),
    Row("aten.unfold.default", "behind known frames", lambda _, x: headed(x).unfold(1, 4, 3), delay=3),
    Row(
        "aten.unfold.default",
        "frames of samples, windowed and transformed",
        lambda m, x: torch.fft.rfft(x.unfold(-1, 8, 3) * m.w).abs(),
        SAMPLES,
        {"w": lambda: nn.Buffer(torch.hann_window(8))},
        delay=6,
    ),
    Row(
        "aten.unfold.default",
        "neighbours along frequency, as nn.Unfold cuts them",
        lambda _, x: functional.unfold(x, (1, 3), padding=(0, 1)).reshape(x.shape[0], 9, x.shape[2], 5),
        IMAGES,
    ),
    Row(
        "aten.unfold.default",
        "sub-bands, by a kernel as long as the sequence",
        lambda _, x: functional.unfold(x.mT, (3, x.shape[2])).reshape(x.shape[0], 3, 3, x.shape[2], 3),
        IMAGES,
    ),
    Row(
        "aten.unfold.default",
        "patches of time and frequency",
        lambda _, x: functional.unfold(functional.pad(x, (0, 0, 2, 0)), (3, 2)).view(x.shape[0], 18, x.shape[2], 4),
        IMAGES,
    ),
    Row(
        "aten.unfold.default",
        "along time in one axis with another",
        lambda _, x: x.flatten(1).unfold(1, 5, 1),
        IMAGES,
        refused="it cuts windows out of time folded with another axis",
    ),
    Row(
        "aten.conv1d.default",
        "kernel one over frequency and time in one axis",
        lambda m, x: m.conv(x.transpose(2, 3).flatten(2)).view(x.shape[0], 4, 5, x.shape[2]),
        IMAGES,
        {"conv": lambda: nn.Conv1d(3, 4, 1)},
    ),
    Row(
        "aten.conv1d.default",
        "kernel three over frequency and time in one axis",
        lambda m, x: m.conv(x.transpose(2, 3).flatten(2)),
        IMAGES,
        {"conv": lambda: nn.Conv1d(3, 4, 3, padding=1)},
        refused="it convolves over time folded with another axis",
    ),
    Row(
        "aten.add.Tensor",
        "positions where batch shares its axis",
        lambda m, x: x.transpose(1, 2).reshape(-1, x.shape[1], 1) + m.table[: x.shape[1]],
        {"x": FRAMES},
        {"table": lambda: nn.Buffer(torch.randn(64, 3))},
        max_context=64,
    ),
)
