"""The two models, written as one writes them in PyTorch: whole sequences in, whole sequences out."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

from edgeseq.demo.data import CHARACTERS


class CharGRU(nn.Module):
    """A character model with one recurrent layer."""

    def __init__(self, embedding: int = 28, hidden: int = 72) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(CHARACTERS), embedding)
        self.gru = nn.GRU(embedding, hidden, batch_first=True)
        self.head = nn.Linear(hidden, len(CHARACTERS))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits ``[batch, time, characters]`` of the next character for ``tokens[batch, time]``."""
        hidden, _ = self.gru(self.embedding(tokens))
        logits: torch.Tensor = self.head(hidden)
        return logits


class Block(nn.Module):
    """Causal self-attention and a two-layer perceptron, each behind a norm and beside a residual."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, time, width]`` to the same shape."""
        x = x + self.attend(self.attention_norm(x))
        mixed: torch.Tensor = self.mlp(self.mlp_norm(x))
        return x + mixed

    def attend(self, x: torch.Tensor) -> torch.Tensor:
        """Each frame looks at itself and those before it."""
        batch, time, width = x.shape
        query, key, value = (
            part.view(batch, time, self.heads, width // self.heads).transpose(1, 2)
            for part in self.query_key_value(x).chunk(3, dim=-1)
        )
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        out: torch.Tensor = self.out(seen.transpose(1, 2).reshape(batch, time, width))
        return out


class CharGPT(nn.Module):
    """A character model in the style of GPT.

    Its positions are sines, computed: they cost no parameters and no room in the file, there can be more of them than
    it is trained on, and the comparison with the GRU stays one of equal size.
    """

    frequencies: torch.Tensor
    phases: torch.Tensor

    def __init__(self, width: int = 32, heads: int = 4, layers: int = 2) -> None:
        super().__init__()
        self.embedding = nn.Embedding(len(CHARACTERS), width)
        frequencies, phases = waves(width)
        self.register_buffer("frequencies", frequencies)
        self.register_buffer("phases", phases)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, len(CHARACTERS))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Logits ``[batch, time, characters]`` of the next character for ``tokens[batch, time]``."""
        places = torch.arange(tokens.shape[1])[:, None]
        x = self.embedding(tokens) + torch.sin(places * self.frequencies + self.phases)
        logits: torch.Tensor = self.head(self.norm(self.blocks(x)))
        return logits


def waves(width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Frequencies and phases, ``[width]`` each, of sines and cosines (a quarter wave ahead).

    Their wavelengths run from 2 pi to 20,000 pi (Vaswani et al., 2017).
    """
    frequencies = 10_000 ** (-torch.arange(0, width, 2) / width)
    ahead = torch.full_like(frequencies, math.pi / 2)
    return frequencies.repeat(2), torch.cat([torch.zeros_like(ahead), ahead])


def parameters(model: nn.Module) -> int:
    """How many numbers are trained."""
    return sum(parameter.numel() for parameter in model.parameters())
