"""Bodies that carry a state of fixed size: recurrent layers, a minimal gated unit, convolutions."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.study.attention import perceptron

LAYERS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
#: Frames that a convolution reads.
KERNEL = 3


class Recurrent(nn.Module):
    """Recurrent layers of one cell, their outputs alone; both directions are narrowed to ``width`` again."""

    def __init__(self, cell: str, width: int, layers: int, dropout: float, both: bool = False) -> None:
        super().__init__()
        between = dropout if layers > 1 else 0.0
        self.layers = LAYERS[cell](width, width, layers, batch_first=True, dropout=between, bidirectional=both)
        self.narrow = nn.Linear(2 * width, width) if both else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, time, width]`` to the same shape."""
        out: torch.Tensor = self.narrow(self.layers(x)[0])
        return out


class MinimalGRU(nn.Module):
    """minGRU (Feng et al., 2024): gate and candidate know the input alone, so that all frames are made at once.

    ``h_t = (1 - z_t) h_(t-1) + z_t g(c_t)``, with ``g`` above zero, as a running sum of logarithms (Heinsen, 2023).
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.candidate_gate = nn.Linear(width, 2 * width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, time, width]`` to the same shape."""
        candidate, gate = self.candidate_gate(x).chunk(2, dim=-1)
        if self.training:
            return stepped(torch.sigmoid(-gate), torch.sigmoid(gate) * positive(candidate))
        kept = -F.softplus(gate).cumsum(dim=1)
        added = torch.where(candidate >= 0, (F.relu(candidate) + 0.5).log(), -F.softplus(-candidate))
        added = added - F.softplus(-gate)
        return (kept + (added - kept).logcumsumexp(dim=1)).exp()


def positive(x: torch.Tensor) -> torch.Tensor:
    """The paper's ``g``: a half more than what is above zero, a sigmoid below."""
    return torch.where(x >= 0, x + 0.5, x.sigmoid())


def stepped(kept: torch.Tensor, added: torch.Tensor) -> torch.Tensor:
    """``h_t = kept_t h_(t-1) + added_t`` of ``[batch, time, width]``, frame by frame.

    What the running sum of logarithms gives; on a CPU a model is trained with it in a third of the time.
    """
    hidden, made = torch.zeros_like(kept[:, 0]), []
    for part, new in zip(kept.unbind(1), added.unbind(1), strict=True):
        hidden = torch.addcmul(new, part, hidden)
        made.append(hidden)
    return torch.stack(made, dim=1)


class MinimalBlock(nn.Module):
    """A minimal GRU and a perceptron, each behind a norm and beside a residual."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.mixed = nn.Sequential(nn.LayerNorm(width), MinimalGRU(width), nn.Dropout(dropout))
        self.mlp = nn.Sequential(nn.LayerNorm(width), perceptron(width, wider=2), nn.Dropout(dropout))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, time, width]`` to the same shape."""
        x = x + self.mixed(x)
        out: torch.Tensor = x + self.mlp(x)
        return out


class CausalConvolution(nn.Module):
    """A convolution over time whose padding is all in front; time is the middle axis."""

    def __init__(self, width: int, dilation: int = 1) -> None:
        super().__init__()
        self.front = (KERNEL - 1) * dilation
        self.convolution = nn.Conv1d(width, width, KERNEL, dilation=dilation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, time, width]`` to the same shape."""
        out: torch.Tensor = self.convolution(F.pad(x.transpose(1, 2), (self.front, 0))).transpose(1, 2)
        return out


class TemporalBlock(nn.Module):
    """Two dilated causal convolutions beside a residual (Bai et al., 2018, the norm of a Transformer's block)."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.LayerNorm(width),
            CausalConvolution(width, dilation),
            nn.ReLU(),
            nn.Dropout(dropout),
            CausalConvolution(width, dilation),
            nn.ReLU(),
            nn.Dropout(dropout),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, time, width]`` to the same shape."""
        out: torch.Tensor = x + self.convolutions(x)
        return out


class ConvolutionalGRU(nn.Module):
    """Two causal convolutions, then a GRU."""

    def __init__(self, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            CausalConvolution(width), nn.ReLU(), nn.Dropout(dropout), CausalConvolution(width), nn.ReLU()
        )
        self.recurrent = Recurrent("gru", width, layers, dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, time, width]`` to the same shape."""
        out: torch.Tensor = self.recurrent(self.convolutions(x))
        return out
