"""The models that are compared, written as one writes them in PyTorch: whole sequences in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

Kind = Literal["gru", "lstm", "transformer", "rnn"]
#: In the order in which they are trained.
KINDS: tuple[Kind, ...] = ("gru", "lstm", "transformer", "rnn")
RECURRENT = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
HEADS = 4


class Recurrent(nn.Module):
    """Recurrent layers of one kind, their outputs alone."""

    def __init__(self, kind: str, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        between = dropout if layers > 1 else 0.0
        self.layers = RECURRENT[kind](width, width, layers, batch_first=True, dropout=between)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, time, width]`` to the same shape."""
        hidden: torch.Tensor = self.layers(x)[0]
        return hidden


class Block(nn.Module):
    """Causal self-attention and a two-layer perceptron, each behind a norm and beside a residual."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, time, width]`` to the same shape."""
        x = x + self.dropout(self.attend(self.attention_norm(x)))
        out: torch.Tensor = x + self.dropout(self.mlp(self.mlp_norm(x)))
        return out

    def attend(self, x: torch.Tensor) -> torch.Tensor:
        """Each frame looks at itself and those before it."""
        batch, time, width = x.shape
        query, key, value = (
            part.view(batch, time, HEADS, width // HEADS).transpose(1, 2)
            for part in self.query_key_value(x).chunk(3, dim=-1)
        )
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        out: torch.Tensor = self.out(seen.transpose(1, 2).reshape(batch, time, width))
        return out


class Transformer(nn.Module):
    """Blocks over frames that know their position, from a learned table."""

    def __init__(self, width: int, layers: int, dropout: float, positions: int) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.randn(positions, width) * 0.02)
        self.blocks = nn.Sequential(*(Block(width, dropout) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, time, width]`` to the same shape, at most ``positions`` frames."""
        x = x + self.positions[: x.shape[1]]
        out: torch.Tensor = self.norm(self.blocks(x))
        return out


class Tagger(nn.Module):
    """An answer for every frame: classes, the next word or the hours to come."""

    def __init__(self, entry: nn.Module, body: nn.Module, head: nn.Module, dropout: float) -> None:
        super().__init__()
        self.entry, self.body, self.head = entry, body, head
        self.dropout = nn.Dropout(dropout)

    def hidden(self, frames: torch.Tensor) -> torch.Tensor:
        """Tokens ``[batch, time]`` or features ``[batch, time, features]`` to ``[batch, time, width]``."""
        out: torch.Tensor = self.dropout(self.body(self.dropout(self.entry(frames))))
        return out

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """The same to ``[batch, time, answers]``."""
        out: torch.Tensor = self.head(self.hidden(frames))
        return out


class Classifier(Tagger):
    """One answer for all frames so far, from the mean of what the body made of them."""

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Tokens ``[batch, time]`` or features ``[batch, time, features]`` to ``[batch, answers]``."""
        out: torch.Tensor = self.head(self.hidden(frames).mean(dim=1))
        return out


def body(kind: Kind, width: int, layers: int, dropout: float, positions: int) -> nn.Module:
    """What is between entry and head; ``positions`` matters to the Transformer alone."""
    if kind == "transformer":
        return Transformer(width, layers, dropout, positions)
    return Recurrent(kind, width, layers, dropout)


def widths(kind: Kind) -> range:
    """The widths to choose from: whole kernels' worth, heads of a multiple of 8, recurrent ones from 128."""
    return range(64, 1_025, 8 * HEADS) if kind == "transformer" else range(128, 1_025, 8)


def fitting(kind: Kind, make: Callable[[int], nn.Module], wanted: int) -> int:
    """The width with which ``make`` comes closest to ``wanted`` parameters."""
    with torch.device("meta"):
        return min(widths(kind), key=lambda width: abs(parameters(make(width)) - wanted))


def parameters(model: nn.Module) -> int:
    """How many numbers are trained."""
    return sum(parameter.numel() for parameter in model.parameters())
