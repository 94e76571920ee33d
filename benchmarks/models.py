"""The models that are measured, written as one writes them in PyTorch, and their exported files.

Only the processes that prepare a measurement import this: those that measure load no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

import edgeseq

FEATURES, HIDDEN = 64, 128
WIDTH, HEADS, LAYERS, POSITIONS = 128, 4, 4, 40_000
#: nanoGPT's model of characters.
GPT_TOKENS, GPT_WIDTH, GPT_HEADS, GPT_LAYERS, GPT_POSITIONS = 65, 384, 6, 6, 8_192


class Recurrent(nn.Module):
    """One GRU layer over frames of features."""

    def __init__(self, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.gru = nn.GRU(FEATURES, hidden, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, time, 64]`` to ``[batch, time, 128]``."""
        hidden: torch.Tensor = self.gru(x)[0]
        return hidden


class Block(nn.Module):
    """Causal self-attention and a two-layer perceptron, each behind a norm and beside a residual."""

    def __init__(self, width: int = WIDTH, heads: int = HEADS) -> None:
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
        out: torch.Tensor = x + self.mlp(self.mlp_norm(x))
        return out

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


class Transformer(nn.Module):
    """A GPT over feature frames, with a learned table of positions."""

    def __init__(self) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.randn(POSITIONS, WIDTH) * 0.02)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, time, width]`` to the same shape."""
        x = x + self.positions[: x.shape[1]]
        out: torch.Tensor = self.norm(self.blocks(x))
        return out


class GPT(nn.Module):
    """Six layers over characters, with a learned table of positions."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = nn.Embedding(GPT_TOKENS, GPT_WIDTH)
        self.positions = nn.Embedding(GPT_POSITIONS, GPT_WIDTH)
        self.blocks = nn.Sequential(*(Block(GPT_WIDTH, GPT_HEADS) for _ in range(GPT_LAYERS)))
        self.norm = nn.LayerNorm(GPT_WIDTH)
        self.head = nn.Linear(GPT_WIDTH, GPT_TOKENS, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """``[batch, time]`` to ``[batch, time, 65]``."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.tokens(tokens) + self.positions(places)
        out: torch.Tensor = self.head(self.norm(self.blocks(x)))
        return out


class DeepGPT(nn.Module):
    """Narrow blocks, as many as asked for, over characters."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(GPT_TOKENS, 64)
        self.positions = nn.Embedding(512, 64)
        self.blocks = nn.Sequential(*(Block(64, 4) for _ in range(blocks)))
        self.head = nn.Sequential(nn.LayerNorm(64), nn.Linear(64, GPT_TOKENS, bias=False))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """``[batch, time]`` to ``[batch, time, 65]``."""
        places = torch.arange(tokens.shape[1], device=tokens.device)
        out: torch.Tensor = self.head(self.blocks(self.tokens(tokens) + self.positions(places)))
        return out


class Dilated(nn.Module):
    """A causal convolution of 32 channels beside a residual."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.past = 2 * dilation
        self.conv = nn.utils.parametrizations.weight_norm(nn.Conv1d(32, 32, 3, dilation=dilation))
        self.norm = nn.BatchNorm1d(32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, 32, time]`` to the same shape."""
        out: torch.Tensor = x + torch.relu(self.norm(self.conv(F.pad(x, (self.past, 0)))))
        return out


class DeepConvolutions(nn.Sequential):
    """Dilations from 1 to 128, again and again, as many as asked for."""

    def __init__(self, blocks: int) -> None:
        super().__init__(*(Dilated(2 ** (number % 8)) for number in range(blocks)))


class Layer(nn.Module):
    """One recurrent layer of ``kind``, its outputs alone."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.layer = getattr(nn, kind)(FEATURES, HIDDEN, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, time, 64]`` to ``[batch, time, 128]``."""
        hidden: torch.Tensor = self.layer(x)[0]
        return hidden


class Large(nn.Module):
    """A GRU of 10 MB."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(FEATURES, 480, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, time, 64]`` to ``[batch, time, 480]``."""
        hidden: torch.Tensor = self.gru(x)[0]
        return hidden


class Stack(nn.Module):
    """Recurrent layers of ``kind`` and a linear head."""

    def __init__(self, kind: str, layers: int, hidden: int) -> None:
        super().__init__()
        self.layers = getattr(nn, kind)(FEATURES, hidden, layers, batch_first=True)
        self.head = nn.Linear(hidden, 32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, time, 64]`` to ``[batch, time, 32]``."""
        out: torch.Tensor = self.head(self.layers(x)[0])
        return out


def write_gpt(folder: Path) -> None:
    """Export the GPT over characters to ``model.onnx``."""
    torch.manual_seed(0)
    edgeseq.export(GPT(), {"tokens": "int64[batch,time]"}, folder / "model.onnx")


def write_layers(folder: Path) -> None:
    """Export one layer of every recurrent kind to ``RNN.onnx``, ``LSTM.onnx`` and ``GRU.onnx``."""
    for kind in ("RNN", "LSTM", "GRU"):
        torch.manual_seed(0)
        edgeseq.export(Layer(kind), {"x": f"float32[batch,time,{FEATURES}]"}, folder / f"{kind}.onnx")


def write_grus(folder: Path, widths: Sequence[int]) -> None:
    """Export one GRU layer of each width to ``WIDTH.onnx``."""
    for width in widths:
        torch.manual_seed(0)
        edgeseq.export(
            Recurrent(width), {"x": f"float32[batch,time,{FEATURES}]"}, folder / f"{width}.onnx", golden=False
        )


def write_large(folder: Path) -> None:
    """Export the large GRU to ``model.onnx``."""
    torch.manual_seed(0)
    edgeseq.export(Large(), {"x": f"float32[batch,time,{FEATURES}]"}, folder / "model.onnx")


def write_gru(folder: Path) -> None:
    """Export the GRU to ``model.onnx``."""
    torch.manual_seed(0)
    edgeseq.export(Recurrent(), {"x": f"float32[batch,time,{FEATURES}]"}, folder / "model.onnx")


def write_transformer(folder: Path) -> None:
    """Export the Transformer to ``model.onnx``."""
    torch.manual_seed(0)
    edgeseq.export(Transformer(), {"x": f"float32[batch,time,{WIDTH}]"}, folder / "model.onnx")
