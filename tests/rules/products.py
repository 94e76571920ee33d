"""Rows of ``rules/products.py``: matrix products and tables."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from tests.rules.row import FRAMES, Row, headed, parameter

aten = torch.ops.aten
HALVES = {"x": FRAMES, "y": FRAMES}
FLAT = {"x": "float32[time,4]"}
WEIGHT = {"w": parameter(4, 3)}

TURNED = {"x": "float32[time,4,batch]"}

ROWS = (
    Row(
        "aten.linear.default",
        "behind padding",
        lambda m, x: m.f(headed(x)),
        parts={"f": lambda: nn.Linear(4, 3)},
        delay=1,
    ),
    Row(
        "aten.linear.default",
        "a weight with time",
        lambda m, x: functional.linear(m.w.t(), x),
        FLAT,
        WEIGHT,
        refused="the weight of a linear layer changes with time",
    ),
    Row("aten.matmul.default", "weights on the right", lambda m, x: headed(x) @ m.w, parts=WEIGHT, delay=1),
    Row("aten.matmul.default", "weights on the left", lambda m, x: m.w.t() @ headed(x).mT, parts=WEIGHT, delay=1),
    Row("aten.matmul.default", "summed over time", lambda _, x: x.mT @ x, refused="it sums over all time"),
    Row(
        "aten.bmm.default",
        "frames in the batch",
        lambda _, x, y: torch.bmm(x.reshape(-1, 1, 4), y.reshape(-1, 4, 1)).view(x.shape[:2]),
        HALVES,
    ),
    Row("aten.mm.default", "no batch", lambda m, x: torch.mm(x, m.w), FLAT, WEIGHT),
    Row("aten.addmm.default", "no batch", lambda m, x: torch.addmm(m.b, x, m.w), FLAT, {**WEIGHT, "b": parameter(3)}),
    Row(
        "aten.baddbmm.default",
        "a bias",
        lambda m, x: torch.baddbmm(m.b, headed(x), m.w.expand(x.shape[0], -1, -1)),
        parts={"b": parameter(1, 1, 3), "w": parameter(1, 4, 3)},
        delay=1,
    ),
    Row(
        "aten.einsum.default",
        "the time label stays",
        lambda m, x: torch.einsum("btf,fg->gbt", headed(x), m.w),
        parts=WEIGHT,
        delay=1,
    ),
    Row(
        "aten.einsum.default",
        "an ellipsis",
        lambda m, x: torch.einsum("...f,fg->...g", x, m.w),
        parts=WEIGHT,
    ),
    Row("aten.einsum.default", "no result written", lambda m, x: torch.einsum("tib,io", x, m.w), TURNED, WEIGHT),
    Row(
        "aten.einsum.default",
        "an ellipsis that not all operands fill",
        lambda m, x: torch.einsum("f...o, ...tf -> ...to", m.w[:, None], headed(x)),
        parts=WEIGHT,
        delay=1,
    ),
    Row(
        "aten.outer.default",
        "angles of positions",
        lambda m, x: x + torch.outer(torch.arange(x.shape[1]).to(x.dtype), m.w),
        parts={"w": parameter(4)},
    ),
    Row(
        "aten.ger.default",
        "angles of positions",
        lambda m, x: x + aten.ger.default(torch.arange(x.shape[1]).to(x.dtype), m.w),
        parts={"w": parameter(4)},
    ),
    Row(
        "aten.embedding.default",
        "an input chooses the rows",
        lambda m, x: m.table(x),
        {"x": "int64[batch,time]"},
        {"table": lambda: nn.Embedding(9, 4)},
    ),
    Row(
        "aten.embedding.default",
        "positions choose the rows",
        lambda m, x: x + m.table(torch.arange(x.shape[1])),
        parts={"table": lambda: nn.Embedding(48, 4)},
        max_context=48,
    ),
)
