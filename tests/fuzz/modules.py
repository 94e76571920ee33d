"""The modules behind the exported base files."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional


class Tagger(nn.Module):
    """A strided convolution with look-ahead, a GRU under a speaker's vector, frames and two summaries."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(4, 4, 5, stride=2, padding=2)
        self.gru = nn.GRU(4, 4, batch_first=True)

    def forward(self, x: torch.Tensor, speaker: torch.Tensor) -> Any:
        y = self.conv(x.transpose(1, 2)).transpose(1, 2)
        y, h = self.gru(y + speaker[:, None])
        return y, h, y.mean(1)


class Translator(nn.Module):
    """A recurrent encoder whose last state starts the decoder, and whose words every frame attends to."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.out = nn.Embedding(7, 4), nn.Linear(4, 7)
        self.encoder, self.decoder = nn.GRU(4, 4, batch_first=True), nn.GRU(4, 4, batch_first=True)

    def forward(self, src: torch.Tensor, tgt: torch.Tensor) -> torch.Tensor:
        memory, h = self.encoder(self.words(src))
        y, _ = self.decoder(self.words(tgt), h.tanh())
        return self.out(torch.softmax(y @ memory.mT, -1) @ memory + y)  # type: ignore[no-any-return]


class Speller(nn.Module):
    """A learned table of positions, one head of causal attention, logits."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(7, 4), nn.Embedding(48, 4)
        self.qkv, self.head = nn.Linear(4, 12), nn.Linear(4, 7)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.words(ids) + self.places(torch.arange(ids.shape[1]))
        q, k, v = (y[:, None] for y in self.qkv(x).chunk(3, -1))
        heard = functional.scaled_dot_product_attention(q, k, v, is_causal=True)[:, 0]
        return self.head(x + heard)  # type: ignore[no-any-return]
