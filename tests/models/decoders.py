"""Small GPT-style decoders."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CausalSelfAttention(nn.Module):
    """One projection for queries, keys and values, several heads."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.c_attn = nn.Linear(width, 3 * width, bias=False)
        self.c_proj = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        b, t, c = x.size()
        q, k, v = self.c_attn(x).split(c, dim=2)
        q = q.view(b, t, self.heads, c // self.heads).transpose(1, 2)
        k = k.view(b, t, self.heads, c // self.heads).transpose(1, 2)
        v = v.view(b, t, self.heads, c // self.heads).transpose(1, 2)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        y = y.transpose(1, 2).contiguous().view(b, t, c)
        return self.c_proj(y)  # type: ignore[no-any-return]


class Block(nn.Module):
    """Attention and MLP, each after a norm, each with a residual."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = CausalSelfAttention(width, heads)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), nn.Dropout(0.1))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))  # type: ignore[no-any-return]


class GPT(nn.Module):
    """Token and learned position embeddings, blocks, tied output weights."""

    def __init__(self, words: int = 48, width: int = 24, heads: int = 3, layers: int = 2, block_size: int = 96) -> None:
        super().__init__()
        self.block_size = block_size
        self.wte = nn.Embedding(words, width)
        self.wpe = nn.Embedding(block_size, width)
        self.drop = nn.Dropout(0.1)
        self.h = nn.ModuleList([Block(width, heads) for _ in range(layers)])
        self.ln_f = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, words, bias=False)
        self.wte.weight = self.lm_head.weight

    def forward(self, idx: Tensor) -> Tensor:
        _, t = idx.size()
        assert t <= self.block_size, f"cannot forward a sequence of length {t}"
        pos = torch.arange(0, t, dtype=torch.long, device=idx.device)
        x = self.drop(self.wte(idx) + self.wpe(pos))
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))  # type: ignore[no-any-return]


class TrajectoryDecoder(nn.Module):
    """A decoder over continuous frames: positions as a parameter cut to length, one head of size five, RMS norm."""

    def __init__(self, features: int = 4, width: int = 5, longest: int = 128) -> None:
        super().__init__()
        self.inp = nn.Linear(features, width)
        self.pos_embed = nn.Parameter(torch.randn(1, longest, width) * 0.1)
        self.norm = nn.RMSNorm(width)
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, features)

    def forward(self, x: Tensor) -> Tensor:
        h = self.inp(x) * math.sqrt(5) + self.pos_embed[:, : x.size(1)]
        n = self.norm(h)
        h = h + F.scaled_dot_product_attention(self.query(n), self.key(n), self.value(n), is_causal=True)
        return self.out(h)  # type: ignore[no-any-return]


class HybridDecoder(nn.Module):
    """A causal convolution, a GRU and one attention layer; the class of the whole from the last frame."""

    def __init__(self, features: int = 6, width: int = 16) -> None:
        super().__init__()
        self.conv = nn.Conv1d(features, width, 3)
        self.gru = nn.GRU(width, width, batch_first=True)
        self.attn = CausalSelfAttention(width, 2)
        self.head = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.conv(F.pad(x.transpose(1, 2), (2, 0))).transpose(1, 2)
        h, _ = self.gru(F.relu(h))
        frames = self.head(h + self.attn(h))
        return frames, frames[:, -1].argmax(-1)
