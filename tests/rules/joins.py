"""Rows of ``rules/joins.py``: pieces put together along time."""

from __future__ import annotations

import torch

from tests.rules.row import FRAMES, Row, alike, headed, parameter

aten = torch.ops.aten


def differences(x: torch.Tensor) -> torch.Tensor:
    """From frame to frame but one, the first two as they are."""
    return torch.cat([x[:, :2], x[:, 2:] - x[:, :-2]], 1)


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
    Row("aten.cat.default", "two behind", lambda _, x: torch.cat([x, x[:, :2]], 1), refused="frames behind the end"),
    Row("aten.cat.default", "pieces of time", lambda _, x: torch.cat([x, x], 1), refused="it joins pieces of time"),
    alike("aten.concat.default", lambda x: aten.concat.default([x, x * 2], -1)),
)
