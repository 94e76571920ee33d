"""Rows of ``rules/pointwise.py``: ops that treat every element alike."""

from __future__ import annotations

import torch
from torch.nn import functional

from tests.rules.row import FRAMES, Row, alike, headed

aten = torch.ops.aten
HALVES = {"x": FRAMES, "y": FRAMES}

ROWS = (
    alike("aten.alias.default", lambda x: aten.alias.default(x)),
    alike("aten.detach.default", lambda x: x.detach()),
    alike("aten.clone.default", lambda x: x.clone()),
    alike("aten.clone.default", lambda x: functional.dropout(x, 0.5, training=False), "dropout in eval mode"),
    alike("aten.clone.default", lambda x: x.transpose(1, 2).contiguous(), "contiguous"),
    alike("aten._to_copy.default", lambda x: aten._to_copy.default(x, dtype=torch.int64)),
    alike("aten._to_copy.default", lambda x: x.to(torch.int64), "to"),
    alike("aten._to_copy.default", lambda x: x.long().double(), "long and double"),
    Row("aten.type_as.default", "of another input", lambda _, x, y: (x > 0).type_as(y), HALVES),
    Row("aten.where.self", "look-ahead meets none", lambda _, x, y: torch.where(x > 0, headed(y), x), HALVES, delay=1),
    alike("aten.where.ScalarOther", lambda x: torch.where(x > 0, x, 0.0)),
    alike("aten.where.ScalarSelf", lambda x: torch.where(x > 0, 0.0, x)),
    alike("aten.where.Scalar", lambda x: torch.where(x > 0, 1.0, 0.0).to(x.dtype)),
    alike("aten.masked_fill.Scalar", lambda x: x.masked_fill(x > 0, 2.0)),
    alike("aten.masked_fill.Tensor", lambda x: x.masked_fill(x > 0, x.new_ones(()))),
    alike("aten.nan_to_num.default", lambda x: torch.nan_to_num(torch.log(x), 0.5)),
    alike("aten.floor_divide.default", lambda x: torch.floor_divide(x, 0.3)),
    alike("aten.__and__.Tensor", lambda x: (x > 0) & (x < 1)),
    alike("aten.__and__.Scalar", lambda x: (x > 0) & True),
    alike("aten.__or__.Tensor", lambda x: (x > 1) | (x < 0)),
    alike("aten.__or__.Scalar", lambda x: (x > 0) | False),
    alike("aten.__xor__.Scalar", lambda x: (x > 0) ^ True),
    alike("aten.__xor__.Tensor", lambda x: (x > 1) ^ (x < 0)),
    alike("aten.hardswish.default", functional.hardswish),
    alike("aten.rsub.Scalar", lambda x: 1 - x),
    alike("aten.clamp.default", lambda x: x.clamp(-0.5, 0.5)),
    Row("aten.clamp.Tensor", "look-ahead meets none", lambda _, x, y: torch.clamp(headed(x), max=y), HALVES, delay=1),
    alike("aten.silu.default", functional.silu),
    alike("aten.mish.default", functional.mish),
    alike("aten.gelu.default", lambda x: functional.gelu(x, approximate="tanh")),
    alike("aten.relu6.default", functional.relu6),
    alike("aten.hardtanh.default", functional.hardtanh),
    alike("aten.log_sigmoid.default", functional.logsigmoid),
    alike("aten.softplus.default", functional.softplus),
    alike("aten.selu.default", functional.selu),
    alike("aten.celu.default", functional.celu),
    alike("aten.elu.default", functional.elu),
    # elementwise ops without a row of their own in the registry: torch's tag makes them pointwise
    alike("aten.relu.default", torch.relu),
    Row("aten.add.Tensor", "look-ahead meets none", lambda _, x, y: headed(x) + y, HALVES, delay=1),
    Row(
        "aten.add.Tensor",
        "an alpha that is the length",
        lambda _, x: torch.add(x, x, alpha=x.shape[1]),
        refused="its keyword argument alpha depends on the input or on its length",
    ),
)
