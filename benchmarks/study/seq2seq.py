"""A target sequence given a source: a GRU with attention to the source, and a Transformer."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.study.attention import HEAD, Block

#: The token that fills a source up.
PADDING = 0


class Translator(nn.Module):
    """Encoder and decoder over tokens of one table; ``hidden`` is what the head sees."""

    def __init__(self, words: int, width: int, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, width)
        self.head = nn.Linear(width, words)
        self.dropout = nn.Dropout(dropout)

    def decoded(self, source: torch.Tensor, present: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Embedded source and target and which of the source is no padding, to ``[batch, time, width]``."""
        raise NotImplementedError

    def forward(self, src: torch.Tensor, tgt: torch.Tensor) -> torch.Tensor:
        """Tokens ``[batch, source]`` and ``[batch, time]`` to logits ``[batch, time, words]`` of each next token."""
        source, target = (self.dropout(self.embedding(tokens)) for tokens in (src, tgt))
        out: torch.Tensor = self.head(self.dropout(self.decoded(source, src != PADDING, target)))
        return out


class CrossAttention(nn.Module):
    """Frames of the target look at all of the source."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: torch.Tensor, memory: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """``[batch, time, width]``, memory ``[batch, source, width]``, to the shape of ``x``."""
        query, key, value = (self._heads(part) for part in (self.query(x), *self.key_value(memory).chunk(2, dim=-1)))
        seen = F.scaled_dot_product_attention(query, key, value, attn_mask=present[:, None, None, :])
        out: torch.Tensor = self.out(seen.transpose(1, 2).reshape(x.shape))
        return out

    @staticmethod
    def _heads(x: torch.Tensor) -> torch.Tensor:
        return x.view(x.shape[0], x.shape[1], x.shape[2] // HEAD, HEAD).transpose(1, 2)


class RecurrentTranslator(Translator):
    """A GRU reads, its last state starts another that writes and looks at what was read."""

    def __init__(self, words: int, width: int, layers: int, dropout: float) -> None:
        super().__init__(words, width, dropout)
        self.encoder = nn.GRU(width, width, layers, batch_first=True)
        self.decoder = nn.GRU(width, width, layers, batch_first=True)
        self.norm, self.cross = nn.LayerNorm(width), CrossAttention(width)

    def decoded(self, source: torch.Tensor, present: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """As the class says."""
        memory, last = self.encoder(source)
        hidden, _ = self.decoder(target, last)
        out: torch.Tensor = hidden + self.cross(self.norm(hidden), memory, present)
        return out


class DecoderBlock(nn.Module):
    """A block that looks at the source between its two halves."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.first = Block(width, dropout, "past")
        self.norm, self.cross = nn.LayerNorm(width), CrossAttention(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, memory: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        """``[batch, time, width]``, memory ``[batch, source, width]``, to the shape of ``x``."""
        x = x + self.dropout(self.first.attention(self.first.attention_norm(x)))
        x = x + self.dropout(self.cross(self.norm(x), memory, present))
        out: torch.Tensor = x + self.dropout(self.first.mlp(self.first.mlp_norm(x)))
        return out


class TransformerTranslator(Translator):
    """Blocks that see the whole source, and blocks that see the target so far and these."""

    def __init__(self, words: int, width: int, layers: int, dropout: float) -> None:
        super().__init__(words, width, dropout)
        self.encoder = nn.Sequential(*(Block(width, dropout, "all") for _ in range(layers)), nn.LayerNorm(width))
        self.decoder = nn.ModuleList(DecoderBlock(width, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def decoded(self, source: torch.Tensor, present: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """As the class says."""
        memory = self.encoder(source)
        for block in self.decoder:
            target = block(target, memory, present)
        out: torch.Tensor = self.norm(target)
        return out
