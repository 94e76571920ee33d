"""Rows of ``rules/attention.py``."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from tests.rules.row import FRAMES, Row, headed

NAME = "aten.scaled_dot_product_attention.default"


def causal(m: Any, x: torch.Tensor) -> torch.Tensor:
    q, k, v = (part.unflatten(-1, (2, 2)).transpose(1, 2) for part in m.qkv(headed(x)).chunk(3, -1))
    return scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)


ROWS = (
    Row(NAME, "causal, two heads", causal, parts={"qkv": lambda: nn.Linear(4, 12)}, delay=1),
    Row(NAME, "no head axis", lambda _, x: scaled_dot_product_attention(x, x, x, is_causal=True, scale=0.3)),
    Row(
        NAME,
        "across to conditioning",
        lambda _, x, y: scaled_dot_product_attention(headed(x), y, y),
        {"x": FRAMES, "y": "float32[batch,6,4]"},
        delay=1,
    ),
    Row(
        NAME,
        "over bands of every frame",
        lambda _, x: scaled_dot_product_attention(x, x, x),
        {"x": "float32[batch,time,5,4]"},
    ),
)
