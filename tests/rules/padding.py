"""Rows of ``rules/padding.py``: constants and copies of other frames around time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from tests.rules.row import CHANNELS, Row

aten = torch.ops.aten
ONE = {"x": CHANNELS}
TWO = {"x": "float32[batch,4,time,5]"}
PAD = "aten.pad.default"


def applied(m: Any, x: torch.Tensor) -> torch.Tensor:
    return m.conv(x)  # type: ignore[no-any-return]


def conv(*args: Any, **kwargs: Any) -> dict[str, Callable[[], nn.Module]]:
    return {"conv": lambda: nn.Conv1d(4, 4, *args, **kwargs)}


def whole_windows(x: torch.Tensor) -> torch.Tensor:
    """Padding as neural codecs have it: two frames in front, and behind so many that no window is cut short."""
    windows = (x.shape[-1] - 4 + 2) / 2 + 1
    return functional.pad(x, (2, (math.ceil(windows) - 1) * 2 + 4 - 2 - x.shape[-1]))


def filled(x: torch.Tensor, multiple: int, mode: str) -> torch.Tensor:
    """Copies in front as a causal convolution needs them, and behind up to a multiple."""
    return functional.pad(x, (2, -x.shape[2] % multiple), mode=mode)


def padded(left: int, right: int, mode: str) -> Callable[[Any, torch.Tensor], torch.Tensor]:
    """Padding in front of a part, behind a convolution that looks ahead."""
    return lambda m, x: m.conv(functional.pad(functional.avg_pool1d(x, 3, 1, 1), (left, right), mode=mode))


ROWS = (
    Row("aten.pad.default", "in front", lambda _, x: functional.pad(x, (0, 0, 2, 0), value=0.5)),
    Row("aten.pad.default", "behind", lambda _, x: functional.pad(x, (1, 0, 0, 2), value=0.5)),
    Row(
        "aten.constant_pad_nd.default",
        "in front",
        lambda _, x: aten.constant_pad_nd.default(x, [0, 0, 2, -1], 0.5),
    ),
    Row(PAD, "up to a multiple", lambda m, x: m.conv(functional.pad(x, (2, -x.shape[2] % 3))), ONE, conv(5, 3)),
    Row(PAD, "up to a whole window", lambda m, x: m.conv(whole_windows(x)), ONE, conv(4, 2)),
    Row(
        PAD,
        "by all of time",
        lambda _, x: functional.pad(x, (x.shape[2], 0)),
        ONE,
        refused="an amount that depends on the length",
    ),
    Row(PAD, "copies up to a multiple", lambda m, x: m.conv(filled(x, 3, "reflect")), ONE, conv(5, 3)),
    Row(PAD, "the last again up to a multiple", lambda m, x: m.conv(filled(x, 4, "replicate")), ONE, conv(4, 4)),
    Row(
        PAD,
        "by copies of a share of time",
        lambda _, x: functional.pad(x, (0, x.shape[2] // 4), mode="reflect"),
        ONE,
        refused="by more and more frames as time goes on",
    ),
    Row(PAD, "cut in front", lambda _, x: functional.pad(x, (0, 0, -2, 0)), delay=2),
    Row(PAD, "cut behind", lambda _, x: functional.pad(x, (0, 0, 2, -3), value=0.5), delay=1),
    Row(
        PAD,
        "reflected, no delay beyond the window's",
        applied,
        ONE,
        conv(5, padding=2, padding_mode="reflect"),
        delay=2,
    ),
    Row(PAD, "reflected, window too short", padded(3, 0, "reflect"), ONE, conv(2), delay=4),
    Row(PAD, "reflected, strided", padded(5, 4, "reflect"), ONE, conv(7, 2), delay=6),
    Row(PAD, "reflected in the stream", lambda _, x: functional.pad(x, (2, 2), mode="reflect"), ONE, delay=2),
    Row(
        PAD,
        "reflected twice",
        lambda _, x: functional.pad(torch.tanh(functional.pad(x, (2, 1), mode="reflect")), (1, 2), mode="reflect"),
        ONE,
        delay=3,
    ),
    Row(PAD, "replicated, causal", lambda m, x: m.conv(functional.pad(x, (4, 0), mode="replicate")), ONE, conv(5)),
    Row(PAD, "replicated on both sides", padded(3, 4, "replicate"), ONE, conv(8), delay=5),
    Row(PAD, "replicated, strided", padded(2, 1, "replicate"), ONE, conv(4, 3)),
    Row(
        PAD,
        "reflected in front of a recurrence",
        lambda m, x: m.gru(functional.pad(x, (2, 0), mode="reflect").mT)[0],
        ONE,
        {"gru": lambda: nn.GRU(4, 4, batch_first=True)},
        delay=2,
    ),
    Row(
        PAD,
        "reflected beside what is not",
        lambda _, x: functional.pad(x, (2, 0), mode="reflect") + functional.pad(x, (2, 0)),
        ONE,
        delay=2,
    ),
    Row(
        PAD,
        "reflected, then grouped",
        lambda _, x: functional.pad(x, (2, 0), mode="reflect")[..., : x.shape[2] // 2 * 2].reshape(*x.shape[:2], -1, 2),
        ONE,
        delay=2,
    ),
    Row(
        PAD,
        "time and bands reflected",
        lambda m, x: m.conv(functional.pad(x, (1, 1, 2, 2), mode="reflect")),
        TWO,
        {"conv": lambda: nn.Conv2d(4, 2, (5, 3))},
        delay=2,
    ),
    Row(
        PAD,
        "circular",
        applied,
        ONE,
        conv(3, padding=1, padding_mode="circular"),
        refused="the end of time to its start",
    ),
    Row("aten.reflection_pad1d.default", "alone", lambda _, x: aten.reflection_pad1d.default(x, [2, 0]), ONE, delay=2),
    Row(
        "aten.reflection_pad2d.default",
        "of bands",
        lambda _, x: aten.reflection_pad2d.default(x, [1, 2, 0, 0]),
        TWO,
    ),
    Row(
        "aten.reflection_pad3d.default",
        "time first",
        lambda _, x: aten.reflection_pad3d.default(x, [0, 1, 1, 0, 1, 1]),
        {"x": "float32[batch,4,time,3,2]"},
        delay=1,
    ),
    Row("aten.replication_pad1d.default", "alone", lambda _, x: aten.replication_pad1d.default(x, [2, 1]), ONE),
    Row("aten.replication_pad2d.default", "of both", lambda _, x: aten.replication_pad2d.default(x, [1, 2, 2, 1]), TWO),
    Row(
        "aten.replication_pad3d.default",
        "time first",
        lambda _, x: aten.replication_pad3d.default(x, [0, 1, 1, 0, 1, 1]),
        {"x": "float32[batch,4,time,3,2]"},
    ),
)
