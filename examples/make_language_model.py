"""A small language model of bytes, trained on a text for some seconds and exported.

python -m examples.make_language_model TEXT.txt|.txt.xz chat.onnx [SECONDS]     (60 by default, 0 leaves it untrained)
"""

from __future__ import annotations

import lzma
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

import edgeseq


class ByteModel(nn.Module):
    """Bytes in, logits of the next byte out: an embedding, a GRU and a linear layer."""

    def __init__(self, width: int = 64, hidden: int = 256) -> None:
        super().__init__()
        self.table = nn.Embedding(256, width)
        self.gru = nn.GRU(width, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 256)

    def forward(self, tokens: Tensor) -> Tensor:
        """``int64[batch, time]`` to ``float32[batch, time, 256]``."""
        frames, _ = self.gru(self.table(tokens))
        return self.head(frames)  # type: ignore[no-any-return]


def train(model: ByteModel, text: bytes, seconds: float, length: int = 128) -> None:
    data = torch.frombuffer(bytearray(text), dtype=torch.uint8).long()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        starts = torch.randint(len(data) - length, (32, 1))
        rows = data[starts + torch.arange(length + 1)]
        loss = functional.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()


def main(source: str, path: str, seconds: float = 60) -> None:
    torch.manual_seed(0)
    text = Path(source).read_bytes()
    model = ByteModel()
    train(model, lzma.decompress(text) if source.endswith(".xz") else text, seconds)
    edgeseq.export(model, {"tokens": "int64[batch,time]"}, path)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(float, sys.argv[3:]))
