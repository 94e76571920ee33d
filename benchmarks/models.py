"""The models that are measured, written as one writes them in PyTorch, and their exported files.

Only the processes that prepare a measurement import this: those that measure load no torch.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

import edgeseq

FEATURES, HIDDEN = 64, 128
WIDTH, HEADS, LAYERS, POSITIONS = 128, 4, 4, 40_000


class Recurrent(nn.Module):
    """One GRU layer over frames of features."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(FEATURES, HIDDEN, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, time, 64]`` to ``[batch, time, 128]``."""
        hidden: torch.Tensor = self.gru(x)[0]
        return hidden


class Block(nn.Module):
    """Causal self-attention and a two-layer perceptron, each behind a norm and beside a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(WIDTH)
        self.query_key_value = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.mlp_norm = nn.LayerNorm(WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, time, width]`` to the same shape."""
        x = x + self.attend(self.attention_norm(x))
        out: torch.Tensor = x + self.mlp(self.mlp_norm(x))
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


def write_gru(folder: Path) -> None:
    """Export the GRU to ``model.onnx``."""
    torch.manual_seed(0)
    edgeseq.export(Recurrent(), {"x": f"float32[batch,time,{FEATURES}]"}, folder / "model.onnx")


def write_transformer(folder: Path) -> None:
    """Export the Transformer to ``model.onnx``."""
    torch.manual_seed(0)
    edgeseq.export(Transformer(), {"x": f"float32[batch,time,{WIDTH}]"}, folder / "model.onnx")
