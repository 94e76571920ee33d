"""Rows of ``rules/upsampling.py``: frames repeated and interpolated."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from tests.rules.row import CHANNELS, FRAMES, Row, headed

ONE = {"x": CHANNELS}
TWO = {"x": "float32[batch,4,time,3]"}
THREE = {"x": "float32[batch,2,time,3,2]"}
NEAREST, LINEAR = "aten.upsample_nearest1d.vec", "aten.upsample_linear1d.vec"


def wide(x: torch.Tensor, *factors: float, **kwargs: Any) -> torch.Tensor:
    return functional.interpolate(x, scale_factor=factors or None, **kwargs)


def halved(x: torch.Tensor, left: int = 1) -> torch.Tensor:
    """Frames at half the rate, an odd one at the end counted too."""
    return functional.avg_pool1d(functional.pad(x, (left, 0)), 2)


ROWS = (
    Row(NEAREST, "twice", lambda _, x: wide(headed(x.mT).mT, 2), ONE, delay=1),
    Row(NEAREST, "to the size before", lambda _, x: x + wide(halved(x), size=x.shape[-1]), ONE),
    Row(
        NEAREST,
        "to a size that is no whole ratio",
        lambda _, x: x + wide(functional.avg_pool1d(functional.pad(x, (2, 0)), 3), size=x.shape[-1]),
        ONE,
        refused="a ratio that is not a whole number",
    ),
    Row(NEAREST, "by a broken ratio", lambda _, x: wide(x, 1.5), ONE, refused="a ratio that is not a whole number"),
    Row(NEAREST, "by a ratio that rounds down", lambda _, x: wide(x, 41), ONE, refused="not a whole number"),
    Row(NEAREST, "every third frame", lambda _, x: wide(x, 1 / 3), ONE),
    Row(
        NEAREST,
        "between convolutions",
        lambda m, x: m.after(torch.tanh(wide(m.before(x), 3))),
        ONE,
        {"before": lambda: nn.Conv1d(4, 4, 4, 2, 1), "after": lambda: nn.Conv1d(4, 4, 3, padding=1)},
        delay=3,
    ),
    Row("aten.upsample_nearest2d.vec", "of both", lambda _, x: wide(x, 2, 3), TWO),
    Row("aten.upsample_nearest2d.vec", "of bands", lambda _, x: wide(x, 1, 2), TWO),
    Row("aten.upsample_nearest2d.vec", "of both, by size", lambda _, x: wide(x, size=(2 * x.shape[2], 5)), TWO),
    Row("aten.upsample_nearest3d.vec", "time first", lambda _, x: wide(x, 2, 1, 2), THREE),
    Row("aten._upsample_nearest_exact1d.vec", "twice", lambda _, x: wide(x, 2, mode="nearest-exact"), ONE),
    Row("aten._upsample_nearest_exact2d.vec", "time", lambda _, x: wide(x, 3, 1, mode="nearest-exact"), TWO),
    Row("aten._upsample_nearest_exact3d.vec", "time", lambda _, x: wide(x, 3, 1, 1, mode="nearest-exact"), THREE),
    Row(LINEAR, "twice, behind a head", lambda _, x: wide(headed(x.mT).mT, 2, mode="linear"), ONE, delay=2),
    Row(LINEAR, "three times, at half the rate", lambda _, x: wide(halved(x), 3, mode="linear"), ONE, delay=2),
    Row(
        LINEAR,
        "corners aligned",
        lambda _, x: wide(x, 2, mode="linear", align_corners=True),
        ONE,
        refused="align_corners makes every weight depend on the length",
    ),
    Row(
        LINEAR, "shortened", lambda _, x: wide(x, 0.5, mode="linear"), ONE, refused="a ratio that is not a whole number"
    ),
    Row("aten.upsample_bilinear2d.vec", "of both", lambda _, x: wide(x, 2, 1.5, mode="bilinear"), TWO, delay=1),
    Row("aten.upsample_bilinear2d.vec", "of bands", lambda _, x: wide(x, 1, 2, mode="bilinear"), TWO),
    Row("aten.upsample_trilinear3d.vec", "of all", lambda _, x: wide(x, 2, 1, 2, mode="trilinear"), THREE, delay=1),
    Row("aten.upsample_bicubic2d.vec", "of both", lambda _, x: wide(x, 2, 2, mode="bicubic"), TWO, delay=2),
    Row("aten.repeat_interleave.self_int", "over time", lambda _, x: headed(x).repeat_interleave(3, 1), delay=1),
    Row("aten.repeat_interleave.self_int", "over features", lambda _, x: headed(x).repeat_interleave(2, -1), delay=1),
    Row(
        "aten.repeat_interleave.self_int",
        "over all",
        lambda _, x: x.repeat_interleave(2).view(-1, 8),
        {"x": FRAMES},
        refused="it repeats all frames as one row",
    ),
)
