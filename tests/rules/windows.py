"""Rows of ``rules/convolution.py`` and ``rules/pooling.py``: windows along time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from tests.rules.row import CHANNELS, Row

aten = torch.ops.aten
ONE = {"x": CHANNELS}
TWO = {"x": "float32[batch,4,time,3]"}
THREE = {"x": "float32[batch,4,time,3,2]"}
FOLDED = {"x": "float32[batch,time,4]"}


def conv(rank: int, *args: Any, **kwargs: Any) -> dict[str, Callable[[], nn.Module]]:
    classes = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    return {"conv": lambda: classes[rank - 1](4, 4, *args, **kwargs)}


def applied(m: Any, x: torch.Tensor) -> torch.Tensor:
    return m.conv(x)  # type: ignore[no-any-return]


ROWS = (
    Row("aten.conv1d.default", "without padding", applied, ONE, conv(1, 3), delay=2),
    Row("aten.conv1d.default", "chomped", lambda m, x: m.conv(x)[:, :, :-4], ONE, conv(1, 3, dilation=2, padding=4)),
    Row("aten.conv1d.default", "centred, in groups", applied, ONE, conv(1, 5, padding=2, groups=2), delay=2),
    Row("aten.conv1d.default", "strided", applied, ONE, conv(1, 4, stride=2, padding=1), delay=2),
    Row("aten.conv1d.default", "wider padding than window", applied, ONE, conv(1, 2, padding=3)),
    Row(
        "aten.conv1d.default",
        "time in its batch",
        lambda m, x: m.conv(x.reshape(-1, 4, 1)).view(x.shape),
        FOLDED,
        conv(1, 1),
    ),
    Row(
        "aten.conv1d.default",
        "time folded with bands",
        lambda m, x: m.conv(x.reshape(x.shape[0], 4, -1)),
        {"x": "float32[batch,4,3,time]"},
        conv(1, 3),
        refused="over time folded with another axis",
    ),
    Row("aten.conv1d.padding", "same, an even kernel", applied, ONE, conv(1, 4, padding="same"), delay=2),
    Row("aten.conv2d.default", "time first", applied, TWO, conv(2, (3, 2), padding=(1, 0)), delay=1),
    Row("aten.conv2d.padding", "same", applied, TWO, conv(2, (3, 2), padding="same"), delay=1),
    Row("aten.conv3d.default", "time first", applied, THREE, conv(3, (3, 2, 1), padding=(1, 0, 0)), delay=1),
    Row("aten.conv3d.padding", "same", applied, THREE, conv(3, (3, 2, 1), padding="same"), delay=1),
    Row("aten.max_pool2d.default", "max_pool1d", lambda _, x: functional.max_pool1d(x, 3, 2, 1), ONE),
    Row(
        "aten.max_pool2d.default",
        "max_pool1d with look-ahead",
        lambda _, x: torch.max_pool1d(x, [5], [1], [2]),
        ONE,
        delay=2,
    ),
    Row("aten.max_pool2d.default", "time first", lambda _, x: functional.max_pool2d(x, (2, 3), (1, 1)), TWO, delay=1),
    Row("aten.max_pool3d.default", "time first", lambda _, x: functional.max_pool3d(x, (2, 1, 1), 1), THREE, delay=1),
    Row("aten.avg_pool1d.default", "strided", lambda _, x: functional.avg_pool1d(x, 3, 2, 1), ONE),
    Row(
        "aten.avg_pool1d.default",
        "padding left out of the mean",
        lambda _, x: functional.avg_pool1d(x, 3, 1, 1, count_include_pad=False),
        ONE,
        refused="averaged over fewer frames",
    ),
    Row("aten.avg_pool2d.default", "time first", lambda _, x: functional.avg_pool2d(x, (2, 3), (1, 1)), TWO, delay=1),
    Row("aten.avg_pool3d.default", "time first", lambda _, x: functional.avg_pool3d(x, (2, 1, 1), 1), THREE, delay=1),
    Row(
        "aten.adaptive_avg_pool1d.default",
        "one value over time",
        lambda _, x: functional.adaptive_avg_pool1d(x, 1),
        ONE,
    ),
    Row(
        "aten.adaptive_avg_pool1d.default",
        "parts of time",
        lambda _, x: functional.adaptive_avg_pool1d(x, 2),
        ONE,
        refused="a fixed number of parts",
    ),
    Row(
        "aten.adaptive_avg_pool2d.default",
        "one value over time",
        lambda _, x: aten.adaptive_avg_pool2d.default(x, [1, 1]),
        TWO,
    ),
    Row(
        "aten.adaptive_max_pool1d.default",
        "one value over time",
        lambda _, x: functional.adaptive_max_pool1d(x, 1),
        ONE,
    ),
    Row(
        "aten.adaptive_max_pool2d.default",
        "one value over time",
        lambda _, x: functional.adaptive_max_pool2d(x, 1),
        TWO,
    ),
)
