"""Rows of ``rules/joins.py``: pieces put together along time."""

from __future__ import annotations

import torch

from tests.rules.row import FRAMES, Row, alike, headed, parameter

aten = torch.ops.aten


def differences(x: torch.Tensor) -> torch.Tensor:
    """From frame to frame but one, the first two as they are."""
    return torch.cat([x[:, :2], x[:, 2:] - x[:, :-2]], 1)


def ends_repeated(x: torch.Tensor, frames: int) -> torch.Tensor:
    """Padding by copies, as DLinear writes it."""
    return torch.cat([x[:, 0:1, :].repeat(1, frames, 1), x, x[:, -1:, :].expand(-1, frames, -1)], dim=1)


def averaged(x: torch.Tensor, frames: int) -> torch.Tensor:
    return torch.nn.functional.avg_pool1d(x.mT, frames, 1).mT


ROWS = (
    alike("aten.cat.default", lambda x: torch.cat([x, x * 2], -1)),
    Row(
        "aten.cat.default",
        "known frames in front",
        lambda m, x: torch.cat([m.start.expand(x.shape[0], -1, -1), x], 1)[:, :-2],
        parts={"start": parameter(1, 2, 4)},
    ),
    Row("aten.cat.default", "zeros like the first frame", lambda _, x: torch.cat([x[:, :1] * 0, x[:, :-1]], 1)),
    Row("aten.cat.default", "one behind", lambda _, x: torch.cat([x[:, 1:], torch.ones_like(x[:, :1])], 1), delay=1),
    Row("aten.cat.default", "pre-emphasis", lambda _, x: torch.cat([x[:, :1], x[:, 1:] - 0.97 * x[:, :-1]], 1)),
    Row("aten.cat.default", "differences", lambda _, x: differences(headed(x)), delay=2),
    Row(
        "aten.cat.default",
        "the first frame again, at half the rate",
        lambda _, x: torch.cat([x[:, ::2][:, :1].expand(-1, 3, -1), x[:, ::2]], 1),
    ),
    Row(
        "aten.cat.default",
        "conditioning in front",
        lambda _, x, y: torch.cat([y[:, None], x[:, :-1]], 1),
        {"x": FRAMES, "y": "float32[batch,4]"},
    ),
    Row("aten.cat.default", "two behind", lambda _, x: torch.cat([x, x[:, :2]], 1), delay=1),
    Row("aten.cat.default", "the last again", lambda _, x: torch.cat([headed(x), headed(x)[:, -1:]], 1), delay=1),
    Row(
        "aten.cat.default",
        "what is final at the end, and a token",
        lambda m, x: torch.cat([x, headed(x).mean(1, keepdim=True), m.token.expand(x.shape[0], -1, -1)], 1)[:, :-1],
        parts={"token": parameter(1, 2, 4)},
        delay=1,
    ),
    Row("aten.cat.default", "ends repeated by hand", lambda _, x: averaged(ends_repeated(headed(x), 2), 5), delay=3),
    Row("aten.cat.default", "the first alone", lambda _, x: averaged(torch.cat([*[x[:, :1]] * 4, x], 1), 5)),
    Row(
        "aten.cat.default",
        "another frame than the last",
        lambda _, x: torch.cat([x[:, :1].repeat(1, 2, 1), x, x[:, -1:] * 2], 1),
    ),
    Row(
        "aten.cat.default",
        "the last in front",
        lambda _, x: torch.cat([x[:, -1:], x], 1),
        refused="a statistic over all time is used before its end",
    ),
    Row("aten.cat.default", "pieces of time", lambda _, x: torch.cat([x, x], 1), refused="it joins pieces of time"),
    alike("aten.concat.default", lambda x: aten.concat.default([x, x * 2], -1)),
)
