"""Rows of ``rules/running.py``: cumulative ops along time, in every order of axes, and folded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from tests.rules.row import CHANNELS, Row, alike, headed

Op = Callable[[torch.Tensor, int], Any]
FOLDED = "time folded with another axis"


def samples(x: torch.Tensor) -> torch.Tensor:
    """``[batch, 4 * time]``: the features of every frame as so many samples."""
    return x.reshape(x.shape[0], -1)


def rows(op: str, run: Op) -> tuple[Row, ...]:
    """What every cumulative op must do."""
    return (
        alike(op, lambda x: run(x, -1)),
        Row(op, "behind padding and look-ahead", lambda _, x: run(headed(x), 1), delay=1),
        Row(op, "time last", lambda _, x: run(x, -1), {"x": CHANNELS}),
        Row(op, "time first", lambda _, x: run(x, 0), {"x": "float32[time,batch,4]"}),
        Row(op, "one row", lambda _, x: run(x, 0), {"x": "float32[time,4]"}),
        Row(op, "over samples", lambda _, x: run(samples(headed(x)), 1), delay=1),
        Row(op, "at half the rate", lambda _, x: run(halved(headed(x.mT).mT), -1), {"x": CHANNELS}, delay=2),
        Row(op, "over rows", lambda _, x: run(x.reshape(-1, 4), 0), refused=FOLDED),
        Row(op, "over columns", lambda _, x: run(x.mT.permute(1, 2, 0).flatten(1), 1), refused=FOLDED),
    )


def phase(_: Any, x: torch.Tensor) -> torch.Tensor:
    """The oscillator of a vocoder."""
    return torch.sin(2 * torch.pi * torch.cumsum(x.sigmoid() / 16, 1))


def counted(_: Any, x: torch.Tensor) -> torch.Tensor:
    """Positions as some decoders count them."""
    return x + torch.ones(x.shape[1], dtype=torch.int64).cumsum(0)[:, None]


def averaged(_: Any, x: torch.Tensor) -> torch.Tensor:
    return x.cumsum(1) / torch.arange(1, x.shape[1] + 1)[:, None]


def started(_: Any, x: torch.Tensor) -> Any:
    """Known frames stay out of the stream: the states start as those leave them."""
    padded = functional.pad(x, (0, 0, 2, 0), value=0.5)
    largest, at = padded.cummax(1)
    return padded.cumsum(1)[:, 2:], padded.cumprod(1)[:, 1:-1], largest[:, 2:], at, padded.logcumsumexp(1)[:, 2:]


ROWS = (
    *rows("aten.cumsum.default", torch.cumsum),
    Row("aten.cumsum.default", "of truth values", lambda _, x: (headed(x) > 0).cumsum(1), delay=1),
    Row("aten.cumsum.default", "of whole numbers", lambda _, x: x.cumsum(1), {"x": "int32[batch,time]"}),
    Row("aten.cumsum.default", "in another type", lambda _, x: (4 * x).cumsum(1, dtype=torch.int64)),
    Row("aten.cumsum.default", "a phase", phase),
    Row("aten.cumsum.default", "of ones", counted),
    Row("aten.cumsum.default", "of positions", lambda _, x: x * torch.arange(x.shape[1]).cumsum(0)[:, None]),
    Row("aten.cumsum.default", "an average", averaged),
    Row("aten.cumsum.default", "one after the other", lambda _, x: headed(x.cumsum(1)).cumsum(1), delay=1),
    Row("aten.cumsum.default", "from known frames on", started),
    *rows("aten.cumprod.default", torch.cumprod),
    *rows("aten.logcumsumexp.default", torch.logcumsumexp),
    Row(
        "aten.logcumsumexp.default",
        "far apart",
        lambda _, x: (1000 * x).where(x > 0, -torch.inf).logcumsumexp(1),
    ),
    *rows("aten.cummax.default", lambda x, dim: x.cummax(dim).values),
    *rows("aten.cummin.default", lambda x, dim: x.cummin(dim).values),
    Row("aten.cummax.default", "where", lambda _, x: headed(x).cummax(1).indices, delay=1),
    Row("aten.cummax.default", "where, of equals", lambda _, x: x.cummax(1), {"x": "int64[batch,time]"}),
    Row("aten.cummin.default", "where", lambda _, x: tuple(headed(x.mT).mT.cummin(-1)), {"x": CHANNELS}, delay=1),
    Row("aten.cummin.default", "where at half the rate", lambda _, x: halved(x).cummin(-1), {"x": CHANNELS}),
    Row("aten.cummax.default", "where in samples", lambda _, x: samples(x).cummax(1).indices),
)


def halved(x: torch.Tensor) -> torch.Tensor:
    return functional.avg_pool1d(x, 2)
