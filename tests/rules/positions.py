"""Rows of ``rules/positions.py``: values made from the length."""

from __future__ import annotations

import torch

from tests.rules.row import FRAMES, Row, headed, parameter

ROWS = (
    Row("aten.zeros.default", "as long as time", lambda _, x: x + torch.zeros(x.shape[1], 4, dtype=x.dtype)),
    Row("aten.ones.default", "as long as time", lambda _, x: x + torch.ones(x.shape[1], 4, dtype=x.dtype)),
    Row("aten.full.default", "as long as time", lambda _, x: x + torch.full((x.shape[1], 4), 0.5, dtype=x.dtype)),
    Row(
        "aten.full.default",
        "of the length",
        lambda _, x: x + torch.full((x.shape[1], 1), x.shape[1], dtype=x.dtype),
        refused="used as a number before its end",
    ),
    Row("aten.new_zeros.default", "as long as time", lambda _, x: headed(x) + x.new_zeros(x.shape[1], 4), delay=1),
    Row("aten.new_ones.default", "as long as time", lambda _, x: headed(x) + x.new_ones(x.shape[1], 4), delay=1),
    Row("aten.new_full.default", "as long as time", lambda _, x: headed(x) + x.new_full((x.shape[1], 4), 0.5), delay=1),
    Row("aten.zeros_like.default", "of a later value", lambda _, x: x + torch.zeros_like(headed(x))),
    Row("aten.ones_like.default", "of a later value", lambda _, x: x + torch.ones_like(headed(x))),
    Row("aten.full_like.default", "of a later value", lambda _, x: x + torch.full_like(headed(x), 0.5)),
    Row("aten.arange.default", "of the length", lambda _, x: headed(x) * torch.arange(x.shape[1])[:, None], delay=1),
    Row("aten.arange.start", "from two on", lambda _, x: x[:, 2:] * torch.arange(2, x.shape[1])[:, None], delay=2),
    Row(
        "aten.arange.start_step",
        "in steps of two",
        lambda _, x: x * torch.arange(0, 2 * x.shape[1], 2)[:, None],
    ),
    Row(
        "aten.arange.start_step",
        "back from the end",
        lambda _, x: x * torch.arange(x.shape[1] - 1, -1, -1)[:, None],
        refused="positions count from the end of the sequence",
    ),
    Row(
        "aten.slice.Tensor",
        "a learned table",
        lambda m, x: headed(x) + m.table[: x.shape[1]],
        {"x": FRAMES},
        {"table": parameter(48, 4)},
        delay=1,
        max_context=48,
    ),
)
