"""Rows of ``rules/shifts.py``: slices, pads and the last step."""

from __future__ import annotations

import torch
from torch.nn import functional

from tests.rules.row import Row, alike, headed, parameter

aten = torch.ops.aten

ROWS = (
    Row("aten.slice.Tensor", "frames dropped in front", lambda _, x: x[:, 2:], delay=2),
    Row("aten.slice.Tensor", "frames dropped behind", lambda _, x: x[:, :-3], delay=3),
    Row("aten.slice.Tensor", "the last frame", lambda _, x: headed(x)[:, -1:], delay=1),
    alike("aten.slice.Tensor", lambda x: x[:, :, 1:3]),
    Row("aten.slice.Tensor", "every other frame", lambda _, x: x[:, ::2], refused="it keeps a share of all time"),
    alike("aten.select.int", lambda x: x[:, :, 1]),
    Row("aten.select.int", "the last frame", lambda _, x: headed(x)[:, -1], delay=1),
    Row("aten.select.int", "the first frame", lambda _, x: x[:, 0], refused="it takes one frame of all time"),
    Row("aten.pad.default", "in front", lambda _, x: functional.pad(x, (0, 0, 2, 0), value=0.5)),
    Row("aten.pad.default", "behind", lambda _, x: functional.pad(x, (1, 0, 0, 2), value=0.5)),
    Row(
        "aten.pad.default",
        "reflected",
        lambda _, x: functional.pad(x, (2, 2), mode="reflect"),
        {"x": "float32[batch,4,time]"},
        refused="copies frames from elsewhere in time",
    ),
    Row(
        "aten.constant_pad_nd.default",
        "in front",
        lambda _, x: aten.constant_pad_nd.default(x, [0, 0, 2, -1], 0.5),
    ),
    alike("aten.cat.default", lambda x: torch.cat([x, x * 2], -1)),
    Row(
        "aten.cat.default",
        "known frames in front",
        lambda m, x: torch.cat([m.start.expand(x.shape[0], -1, -1), x], 1)[:, :-2],
        parts={"start": parameter(1, 2, 4)},
    ),
    Row("aten.cat.default", "pieces of time", lambda _, x: torch.cat([x, x], 1), refused="it joins pieces of time"),
    alike("aten.concat.default", lambda x: aten.concat.default([x, x * 2], -1)),
)
