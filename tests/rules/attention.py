"""Rows of ``rules/attention.py``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.functional import scaled_dot_product_attention

from tests.rules.row import FRAMES, Parts, Row, headed, parameter

BADDBMM = "aten.baddbmm.default"
MATMUL = "aten.matmul.default"
PLACES: Parts = {"places": lambda: nn.Linear(4, 4)}
TABLE: Parts = {"table": parameter(90, 4)}
NAME = "aten.scaled_dot_product_attention.default"


def causal(m: Any, x: torch.Tensor) -> torch.Tensor:
    q, k, v = (part.unflatten(-1, (2, 2)).transpose(1, 2) for part in m.qkv(headed(x)).chunk(3, -1))
    return scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)


def folded_heads(x: torch.Tensor, heads_first: bool = False) -> torch.Tensor:
    """BLOOM's: heads lie in one axis with the batch, and so does the bias over keys."""
    batch, time, _ = x.shape
    states = (
        x.view(batch, time, 2, 2).permute((2, 0, 1, 3) if heads_first else (0, 2, 1, 3)).reshape(2 * batch, time, 2)
    )
    bias = torch.tensor([0.5, 0.25])[:, None].to(x.dtype) * torch.ones(batch, 1, time).cumsum(-1).to(x.dtype)
    bias = (bias.transpose(0, 1) if heads_first else bias).reshape(2 * batch, 1, time)
    scores = bias.baddbmm(states, states.mT, alpha=0.7)
    masked = scores.masked_fill(torch.ones(time, time, dtype=torch.bool).triu(1), float("-inf"))
    return torch.bmm(masked.softmax(-1), states)


def state_space(equation: str) -> Callable[[Any, torch.Tensor], torch.Tensor]:
    """Mamba-2's quadratic form: queries, keys, decays between them and values in one product."""

    def model(_: Any, x: torch.Tensor) -> torch.Tensor:
        x = headed(x)
        total = -functional.softplus(x[..., :2]).mT.cumsum(-1)
        future = torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)
        decay = (total.unsqueeze(-1) - total.unsqueeze(-2)).masked_fill(future, -torch.inf).exp()
        return torch.einsum(equation, torch.tanh(x), torch.cos(x), decay, x.reshape(*x.shape[:2], 2, 2))

    return model


def positioned(m: Any, x: torch.Tensor) -> torch.Tensor:
    """Conformer's scores: queries meet keys, and a layer's view of where the keys are."""
    time = x.shape[1]
    if hasattr(m, "table"):
        places = m.table[:time]
    else:
        places = torch.sin(torch.arange(time, dtype=x.dtype).unsqueeze(1) * torch.tensor([1.0, 0.5, 0.1, 0.02]))
    scores = x @ x.mT + x @ m.places(places).unsqueeze(0).mT
    masked = scores.masked_fill(torch.ones(time, time, dtype=torch.bool).triu(1), float("-inf"))
    return torch.matmul(masked.softmax(-1), x)


def biased(
    bias: Callable[[Any, int], torch.Tensor], fill: float = -torch.inf
) -> Callable[[Any, torch.Tensor], torch.Tensor]:
    """Two heads with a bias over keys, ``[heads, 1, keys]``."""

    def model(m: Any, x: torch.Tensor) -> torch.Tensor:
        heads, time = headed(x).view(x.shape[0], x.shape[1], 2, 2).transpose(1, 2), x.shape[1]
        scores = heads @ heads.mT * 0.5 + bias(m, time).to(x.dtype)
        masked = scores.masked_fill(torch.ones(time, time, dtype=torch.bool).triu(1), fill)
        return torch.matmul(masked.softmax(-1), heads)

    return model


def slopes() -> nn.Buffer:
    return nn.Buffer(torch.tensor([0.5, 0.25]).view(2, 1, 1))


ALIBI: Parts = {"table": lambda: nn.Buffer(torch.tensor([0.5, 0.25]).view(2, 1, 1) * torch.arange(-89.0, 1))}
FROM_THE_END: Parts = {"slopes": slopes}
ROWS = (
    Row(MATMUL, "ALiBi's last columns", biased(lambda m, n: m.table[..., -n:]), parts=ALIBI, delay=1, max_context=90),
    Row(
        MATMUL,
        "ALiBi's columns from",
        biased(lambda m, n: m.table[..., 90 - n :]),
        parts=ALIBI,
        delay=1,
        max_context=90,
    ),
    Row(
        MATMUL,
        "ALiBi counted to the end",
        biased(lambda m, n: torch.arange(1 - n, 1) * m.slopes),
        parts=FROM_THE_END,
        delay=1,
    ),
    Row(
        MATMUL,
        "a bias from the end that is not even",
        biased(lambda m, n: m.table[..., -n:]),
        parts={"table": parameter(2, 1, 90)},
        refused="a table is read backwards",
    ),
    Row(
        MATMUL,
        "no straight line from the end",
        biased(lambda m, n: (torch.arange(1 - n, 1) * m.slopes).exp()),
        parts=FROM_THE_END,
        refused="positions count from the end of the sequence",
    ),
    Row(
        MATMUL,
        "a bias from the end beside a number",
        biased(lambda m, n: torch.arange(1 - n, 1) * m.slopes, fill=-1.0),
        parts=FROM_THE_END,
        refused="positions count from the end of the sequence",
    ),
    Row(MATMUL, "a layer on a table of positions", positioned, parts={**PLACES, **TABLE}, max_context=90),
    Row(MATMUL, "a layer on positions without end", positioned, parts=PLACES),
    Row("aten.einsum.default", "four operands", state_space("bln,bsn,bhls,bshp->blhp"), delay=1),
    Row("aten.einsum.default", "four operands, no result of two", state_space("bln,bsn,bhls,bshp->lhbp"), delay=1),
    Row(
        "aten.einsum.default",
        "three operands, two of the same frames",
        lambda _, x: torch.einsum("btf,btf,bsf->bts", x, x, x).tril().sum(-1),
        refused="two of its operands have the same frames",
    ),
    Row(BADDBMM, "heads in one axis with the batch", lambda _, x: folded_heads(x)),
    Row(
        BADDBMM,
        "heads in front of the batch",
        lambda _, x: folded_heads(x, heads_first=True),
        refused="and the batch not in front",
    ),
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
