"""Rows of ``rules/indexing.py``."""

from __future__ import annotations

import torch
from torch import nn

from tests.rules.row import FRAMES, Row, alike, headed

INDEX = "aten.index.Tensor"
TOKENS = {"x": "int64[batch,time]"}
ORDER = torch.tensor([2, 0, 3])

ROWS = (
    Row(
        INDEX, "rows that tokens choose", lambda m, x: m.table.weight[x], TOKENS, {"table": lambda: nn.Embedding(9, 4)}
    ),
    alike(INDEX, lambda x: x[:, :, ORDER], "features in another order"),
    alike(INDEX, lambda x: x.transpose(1, 2)[:, ORDER], "features in front of time"),
    alike(INDEX, lambda x: x[..., ORDER.view(3, 1)], "features in two axes"),
    Row(INDEX, "the last frame, its axis kept", lambda _, x: x[:, [-1]]),
    Row(INDEX, "the last frame behind padding", lambda _, x: headed(x)[:, [-1], :], delay=1),
    Row(INDEX, "a frame by its place", lambda _, x: x[:, [3]], refused="it picks frames by their place in all of time"),
    Row(
        INDEX,
        "by several tensors",
        lambda _, x: x[torch.tensor([0]), :, ORDER],
        {"x": FRAMES},
        refused="it is indexed by several tensors at once",
    ),
)
