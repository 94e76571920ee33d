"""Rows of ``rules/transposed.py``: windows that add up along time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from tests.rules.row import CHANNELS, Row

ONE = {"x": CHANNELS}
TWO = {"x": "float32[batch,4,time,3]"}
THREE = {"x": "float32[batch,4,time,3,2]"}


def conv(rank: int, *args: Any, **kwargs: Any) -> dict[str, Callable[[], nn.Module]]:
    classes = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
    return {"conv": lambda: classes[rank - 1](4, 4, *args, **kwargs)}


def applied(m: Any, x: torch.Tensor) -> torch.Tensor:
    return m.conv(x)  # type: ignore[no-any-return]


def encoded(m: Any, x: torch.Tensor) -> torch.Tensor:
    """A strided convolution in front, so that a call holds several base frames per frame."""
    return m.conv(torch.tanh(functional.conv1d(x, m.conv.weight[:, :, :3], stride=3)))  # type: ignore[no-any-return]


ONE_OP, TWO_OP, THREE_OP = (
    "aten.conv_transpose1d.default",
    "aten.conv_transpose2d.input",
    "aten.conv_transpose3d.input",
)
ROWS = (
    Row(ONE_OP, "with its tail", applied, ONE, conv(1, 4, 2)),
    Row(ONE_OP, "tail cut", lambda m, x: m.conv(x)[..., :-2], ONE, conv(1, 4, 2)),
    Row(ONE_OP, "trimmed on both sides", applied, ONE, conv(1, 8, 4, 2), delay=1),
    Row(ONE_OP, "more frames behind", applied, ONE, conv(1, 3, 2, 1, 1), delay=1),
    Row(ONE_OP, "wide, dilated", applied, ONE, conv(1, 5, 2, 4, dilation=2), delay=2),
    Row(ONE_OP, "no overlap", applied, ONE, conv(1, 2, 2)),
    Row(ONE_OP, "gaps", applied, ONE, conv(1, 2, 4, 0, 3)),
    Row(ONE_OP, "every frame, in groups", applied, ONE, conv(1, 3, groups=2)),
    Row(
        ONE_OP,
        "behind a pad that leaves a head",
        lambda m, x: m.conv(torch.tanh(functional.pad(x, (3, 0), value=0.3))),
        ONE,
        conv(1, 5, 3, 2),
    ),
    Row(ONE_OP, "behind a strided one", encoded, ONE, conv(1, 7, 3, 2), delay=2),
    Row(ONE_OP, "time in its batch", applied, {"x": "float32[time,4,5]"}, conv(1, 3, 2)),
    Row(
        ONE_OP,
        "time folded with bands",
        lambda m, x: m.conv(x.reshape(x.shape[0], 4, -1)),
        {"x": "float32[batch,4,3,time]"},
        conv(1, 3),
        refused="over time folded with another axis",
    ),
    Row(TWO_OP, "time first", applied, TWO, conv(2, (3, 4), (1, 2), (0, 1))),
    Row(
        TWO_OP,
        "time last",
        lambda m, x: m.conv(x)[..., :-1],
        {"x": "float32[batch,4,5,time]"},
        conv(2, (3, 2), (2, 1), (1, 0), (1, 0), groups=2),
    ),
    Row(THREE_OP, "time first", applied, THREE, conv(3, (3, 2, 1), 2)),
)
