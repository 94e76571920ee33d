"""Rows of ``rules/features.py``: softmax, norms and sorting over features."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from tests.rules.row import CHANNELS, Row, alike, headed

aten = torch.ops.aten
INDICES = {"x": "int64[batch,time]"}
STATISTICS = "statistics over all time"


def scale(x: torch.Tensor) -> torch.Tensor:
    return x.new_ones(4)


ROWS = (
    Row(
        "aten.prelu.default",
        "a slope per channel",
        lambda m, x: m.prelu(x),
        {"x": CHANNELS},
        {"prelu": lambda: nn.PReLU(4)},
    ),
    Row("aten.one_hot.default", "classes said", lambda _, x: functional.one_hot(x, 7), INDICES),
    alike("aten.softmax.int", lambda x: torch.softmax(x, -1)),
    alike("aten._softmax.default", lambda x: aten._softmax.default(x, -1, False)),
    alike("aten.log_softmax.int", lambda x: torch.log_softmax(x, -1)),
    Row("aten.log_softmax.int", "over time", lambda _, x: torch.log_softmax(x, 1), refused=STATISTICS),
    alike("aten._log_softmax.default", lambda x: aten._log_softmax.default(x, -1, False)),
    alike("aten._safe_softmax.default", lambda x: aten._safe_softmax.default(x, -1)),
    alike("aten.glu.default", lambda x: functional.glu(x, -1)),
    alike("aten.sort.default", lambda x: torch.sort(x, -1)),
    alike("aten.sort.stable", lambda x: torch.sort(x, dim=-1, stable=True).values),
    alike("aten.topk.default", lambda x: torch.topk(x, 2, -1).indices),
    Row("aten.topk.default", "over time", lambda _, x: torch.topk(x, 2, 1).values, refused=STATISTICS),
    alike("aten.layer_norm.default", lambda x: functional.layer_norm(x, (4,))),
    alike("aten.rms_norm.default", lambda x: functional.rms_norm(x, (4,))),
    alike("aten.native_layer_norm.default", lambda x: aten.native_layer_norm.default(x, [4], None, None, 1e-5)[0]),
    alike("aten._fused_rms_norm.default", lambda x: aten._fused_rms_norm.default(x, [4], scale(x), 1e-5)[0]),
    Row(
        "aten._native_batch_norm_legit_no_training.default",
        "stored statistics",
        lambda m, x: m.norm(x),
        {"x": CHANNELS},
        {"norm": lambda: nn.BatchNorm1d(4)},
    ),
    Row(
        "aten._native_batch_norm_legit.no_stats",
        "no statistics",
        lambda _, x: aten._native_batch_norm_legit.no_stats(x, None, None, True, 0.1, 1e-5)[0],
        {"x": CHANNELS},
        refused="takes them over all time",
    ),
    Row(
        "aten.group_norm.default",
        "time folded into the batch",
        lambda _, x: functional.group_norm(headed(x).reshape(-1, 4), 2).view(x.shape),
        delay=1,
    ),
    Row(
        "aten.instance_norm.default",
        "over bands of every frame",
        lambda _, x: functional.instance_norm(x.flatten(0, 1)).view(x.shape),
        {"x": "float32[batch,time,3,4]"},
    ),
)
