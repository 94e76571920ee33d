"""Rows of ``rules/joins.py``: pieces put together along time."""

from __future__ import annotations

import torch

from tests.rules.row import Row, alike, parameter

aten = torch.ops.aten

ROWS = (
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
