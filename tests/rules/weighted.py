"""Rows of ``rules/weighted.py``: a softmax over all time, in the spellings of attention pooling, and what is none."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from tests.rules.row import Function, Row, headed

OP = "aten.softmax.int"
NOT_SUMMED = "it takes statistics over all time and uses them before the end"


def pooling(case: str, function: Function, delay: int = 0, refused: str | None = None) -> Row:
    """A row whose model scores frames by ``m.score``, one number each, or by ``m.scores``, three."""
    parts = {"score": lambda: nn.Linear(4, 1), "scores": lambda: nn.Linear(4, 3)}
    return Row(OP, case, function, parts=parts, delay=delay, refused=refused)


def weights(m: Any, x: torch.Tensor) -> torch.Tensor:
    w: torch.Tensor = m.score(x).softmax(1)
    return w


def statistics(m: Any, x: torch.Tensor) -> torch.Tensor:
    """Attentive statistics pooling, of speaker embeddings."""
    x = x.mT
    w = torch.softmax(m.score(x.mT).mT, dim=2)
    mean = torch.sum(x * w, dim=2)
    deviation = torch.sqrt((torch.sum((x**2) * w, dim=2) - mean**2).clamp(min=1e-5))
    return torch.cat([mean, deviation], 1)


def masked(m: Any, x: torch.Tensor) -> Any:
    silent = x[..., :1] < -1
    return (m.score(x).masked_fill(silent, -torch.inf).softmax(1) * x).sum(1)


def squeezed(m: Any, x: torch.Tensor) -> torch.Tensor:
    w = torch.softmax(m.score(x).squeeze(-1), dim=1)
    return torch.bmm(w.unsqueeze(1), x).squeeze(1)


def folded(m: Any, x: torch.Tensor) -> Any:
    w = m.scores(x).softmax(1).view(x.shape[0], x.shape[1], 3, 1).expand(-1, -1, -1, 4)
    return (w * x.unsqueeze(2)).sum(1).flatten(1)


class SeedPooling(nn.Module):
    """Pooling by multihead attention (Set Transformer): learned queries read all frames so far, perhaps masked."""

    def __init__(self, queries: int, *, masked: bool = False, need_weights: bool = False) -> None:
        super().__init__()
        self.seed, self.inputs = nn.Parameter(torch.randn(1, queries, 8)), nn.Linear(4, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.masked, self.need_weights = masked, need_weights

    def forward(self, x: torch.Tensor) -> Any:
        mask = x[..., 0] < -1 if self.masked else None
        h, q = self.inputs(x), self.seed.expand(x.shape[0], -1, -1)
        return self.attention(q, h, h, key_padding_mask=mask, need_weights=self.need_weights)[0]


def seeded(op: str, case: str, **options: Any) -> Row:
    """A row for the model above, behind look-ahead."""
    parts = {"pool": lambda: SeedPooling(**options)}
    return Row(op, case, lambda m, x: m.pool(headed(x)), parts=parts, delay=1)


SDPA = "aten.scaled_dot_product_attention.default"
ROWS = (
    seeded(SDPA, "learned queries", queries=3),
    seeded(SDPA, "a learned query", queries=1),
    seeded(SDPA, "learned queries, masked frames", queries=2, masked=True),
    seeded(OP, "multihead, with weights", queries=2, need_weights=True),
    pooling("times, summed", lambda m, x: (weights(m, x) * x).sum(1)),
    pooling(
        "times, summed, behind look-ahead", lambda m, x: (x.new_ones(1) * (weights(m, y := headed(x)) * y)).sum(1), 1
    ),
    pooling("scores later than values", lambda m, x: (weights(m, x[:, 1:]) * x[:, :-1]).sum(1, keepdim=True)),
    pooling("bmm", lambda m, x: torch.bmm(weights(m, x).transpose(1, 2), x)),
    pooling("squeezed, bmm", squeezed),
    pooling("matmul", lambda m, x: m.scores(x).softmax(1).mT @ x),
    pooling("values first", lambda m, x: torch.bmm(x.mT, weights(m, x))),
    pooling("einsum", lambda m, x: torch.einsum("bt,btd->bd", weights(m, x).squeeze(-1), x)),
    pooling("einsum, turned", lambda m, x: torch.einsum("btd,bth->dbh", x, m.scores(x).softmax(1))),
    pooling("views", folded),
    pooling("statistics", statistics),
    pooling("masked", masked),
    pooling("far apart", lambda m, x: ((1000 * m.score(x)).softmax(1) * x).sum(1)),
    pooling("scores too early", lambda m, x: (weights(m, x) * headed(x)).sum(1), refused="looks further ahead than"),
    pooling("returned", weights, refused=NOT_SUMMED),
    pooling("squared", lambda m, x: (weights(m, x) ** 2).sum(1), refused=NOT_SUMMED),
    pooling("twice", lambda m, x: (weights(m, x) * weights(m, x)).sum(1), refused=NOT_SUMMED),
    pooling("by itself", lambda m, x: ((w := weights(m, x)) * (w * x)).sum(1), refused=NOT_SUMMED),
    pooling("squashed", lambda m, x: (torch.tanh(weights(m, x)) * x).sum(1), refused=NOT_SUMMED),
    pooling("over features too", lambda m, x: (weights(m, x) * x).sum((1, 2)), refused=NOT_SUMMED),
    pooling("running", lambda m, x: (weights(m, x) * x).cumsum(1), refused=NOT_SUMMED),
)
