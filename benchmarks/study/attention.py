"""Self-attention over frames that know their place by rotation, so that a stream has no last position."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

#: Which frames a frame looks at: itself and all before, the last few of these, or all.
Sight = Literal["past", "last", "all"]
#: Width of a head.
HEAD = 32
#: Frames that "last" looks at, itself among them.
REACH = 64
#: The slowest rotation turns once in this many radians (Su et al., 2021).
SLOWEST = 10_000.0


def rotated(x: torch.Tensor) -> torch.Tensor:
    """``[batch, heads, time, HEAD]``, each pair of numbers turned by its place in time (RoPE, Su et al., 2021)."""
    half = HEAD // 2
    rates = SLOWEST ** (-torch.arange(half, device=x.device, dtype=torch.float32) / half)
    angles = torch.arange(x.shape[2], device=x.device, dtype=torch.float32)[:, None] * rates
    cosine, sine = angles.cos(), angles.sin()
    one, other = x[..., :half], x[..., half:]
    return torch.cat([one * cosine - other * sine, other * cosine + one * sine], dim=-1)


class Attention(nn.Module):
    """Each frame looks at the frames in its sight, with heads of ``HEAD``."""

    def __init__(self, width: int, sight: Sight) -> None:
        super().__init__()
        self.sight = sight
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, time, width]`` to the same shape."""
        batch, time, width = x.shape
        query, key, value = (
            part.view(batch, time, width // HEAD, HEAD).transpose(1, 2)
            for part in self.query_key_value(x).chunk(3, dim=-1)
        )
        query, key, causal = rotated(query), rotated(key), self.sight == "past"
        mask = banded(time, x.device) if self.sight == "last" else None
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, is_causal=causal)
        out: torch.Tensor = self.out(seen.transpose(1, 2).reshape(batch, time, width))
        return out


def banded(time: int, device: torch.device) -> torch.Tensor:
    """``bool[time, time]``: whether a frame looks at a frame, the last ``REACH`` up to itself."""
    places = torch.arange(time, device=device)
    distance = places[:, None] - places[None, :]
    return (distance >= 0) & (distance < REACH)


class Block(nn.Module):
    """Attention and a two-layer perceptron, each behind a norm and beside a residual."""

    def __init__(self, width: int, dropout: float, sight: Sight) -> None:
        super().__init__()
        self.attention_norm, self.attention = nn.LayerNorm(width), Attention(width, sight)
        self.mlp_norm, self.mlp = nn.LayerNorm(width), perceptron(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, time, width]`` to the same shape."""
        x = x + self.dropout(self.attention(self.attention_norm(x)))
        out: torch.Tensor = x + self.dropout(self.mlp(self.mlp_norm(x)))
        return out


def perceptron(width: int, wider: int = 4) -> nn.Sequential:
    """Two layers, ``wider`` times as wide between them."""
    return nn.Sequential(nn.Linear(width, wider * width), nn.GELU(), nn.Linear(wider * width, width))


class Transformer(nn.Sequential):
    """Blocks, and a norm behind them."""

    def __init__(self, width: int, layers: int, dropout: float, sight: Sight) -> None:
        super().__init__(*(Block(width, dropout, sight) for _ in range(layers)), nn.LayerNorm(width))


class Hybrid(nn.Module):
    """GRU layers, then one causal attention over what they made."""

    def __init__(self, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.gru = nn.GRU(width, width, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.norm, self.attention = nn.LayerNorm(width), Attention(width, "past")
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, time, width]`` to the same shape."""
        hidden: torch.Tensor = self.gru(x)[0]
        out: torch.Tensor = hidden + self.dropout(self.attention(self.norm(hidden)))
        return out
