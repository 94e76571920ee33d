"""What is refused: the op, the module, the line, the reason and the remedy stand in the text, and no file is left."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import edgeseq
from edgeseq.errors import CaptureError, EdgeseqError, NotStreamable, UsageError

X = {"x": "float32[batch,time,8]"}
CHANNELS = {"x": "float32[batch,8,time]"}


# -- models ------------------------------------------------------------------------------------------------------------
# The line that must be named carries the comment "refused here".


class BidirectionalTagger(nn.Module):
    def __init__(self, cell: type[nn.RNNBase] = nn.LSTM) -> None:
        super().__init__()
        self.encoder = nn.ModuleDict({"rnn": cell(8, 6, batch_first=True, bidirectional=True)})
        self.out = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.encoder["rnn"](x)  # refused here
        return self.out(y)  # type: ignore[no-any-return]


class FastForgetting(BidirectionalTagger):
    """Its backward half forgets everything within a frame: the future leaks less than float noise."""

    def __init__(self) -> None:
        super().__init__()
        with torch.no_grad():
            for name, parameter in self.encoder["rnn"].named_parameters():
                if "weight_hh" in name:
                    parameter.zero_()
                elif name.startswith("bias_ih"):
                    parameter[6:12] = -60.0


class Reverse(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.flip(x, dims=[1])  # refused here


class Backwards(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.reverse = Reverse()
        self.gru = nn.GRU(8, 6, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.gru(self.reverse(x))[0]  # type: ignore[no-any-return]


class FullAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        return F.scaled_dot_product_attention(q, k, v)  # refused here


class HandwrittenAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(8, 8) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.query(x), self.key(x), self.value(x)
        scores = q @ k.transpose(-2, -1) / 8**0.5  # refused here
        return torch.softmax(scores, dim=-1) @ v


class MultiheadLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x, need_weights=False)[0]  # type: ignore[no-any-return]  # refused here


class InstanceNormed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm1d(8, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x)  # type: ignore[no-any-return]  # refused here


class GroupNormed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv1d(8, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)  # type: ignore[no-any-return]  # refused here


class MeanRemoved(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(dim=1, keepdim=True)  # refused here


class Standardized(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x / x.std(dim=1, keepdim=True)  # refused here


class SqueezeExcite(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Sequential(nn.Linear(8, 2), nn.ReLU(), nn.Linear(2, 8), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        scale = self.gate(x.mean(-1))
        return x * scale.unsqueeze(-1)  # refused here


class UnstoredStatistics(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bn = nn.BatchNorm1d(8, track_running_stats=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(x)  # type: ignore[no-any-return]  # refused here


class DividedByLength(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x / x.size(1)  # refused here


class PositionsFromTheEnd(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(200, 8)

    def forward(self, x: Tensor) -> Tensor:
        left = torch.arange(x.size(1) - 1, -1, -1)  # refused here
        return x + self.table(left)


class FirstFrame(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x[:, :1]  # refused here


class SoftmaxOverTime(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.softmax(x, dim=1)  # refused here


class Rolled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.roll(x, 1, dims=1)  # refused here


class SortedOverTime(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.sort(x, dim=1).values  # refused here


class CircularConv(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(8, 4, 3, padding=1, padding_mode="circular")

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)  # type: ignore[no-any-return]  # refused here


class Noisy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 0.1 * torch.randn_like(x)  # refused here


class AlwaysDropping(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, 0.5, training=True)  # refused here


class Packed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 6, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        lengths = torch.full((x.size(0),), x.size(1), dtype=torch.int64)
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)  # refused here
        y, _ = self.lstm(packed)
        return pad_packed_sequence(y, batch_first=True)[0]


class Counting(nn.Module):
    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1  # refused here
        return x * self.calls


class Remembering(nn.Module):
    """Keeps its hidden state in itself from one call to the next."""

    hidden: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(8, 6, batch_first=True)
        self.register_buffer("hidden", torch.zeros(1, 1, 6))

    def forward(self, x: Tensor) -> Tensor:
        y, hidden = self.gru(x, self.hidden.expand(1, x.size(0), 6).contiguous())
        self.hidden.copy_(hidden[:, :1])  # refused here
        return y  # type: ignore[no-any-return]


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > 0:  # refused here
            return x
        return -x


class Reading(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        loudest = x.abs().max().item()  # refused here
        return x / loudest


class Looping(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(8, 6)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros(x.size(0), 6)
        outputs = []
        for t in range(x.size(1)):  # refused here
            h = self.cell(x[:, t], h)
            outputs.append(h)
        return torch.stack(outputs, dim=1)


class MixesTime(nn.Module):
    """An MLP mixer: a linear layer over a fixed number of frames."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(20, 20)

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(x)  # type: ignore[no-any-return]  # refused here


# -- the table ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Refused:
    """A model that must be refused: the error, its op and module, the words that say why, and those of the remedy."""

    id: str
    make: Callable[[], nn.Module]
    op: str
    why: str
    do: str
    module: str = "the model itself"
    inputs: Mapping[str, Any] = None  # type: ignore[assignment]
    error: type[EdgeseqError] = NotStreamable


STREAM = (
    Refused("bidirectional-lstm", BidirectionalTagger, "lstm", "bidirectional", "unidirectional", "encoder.rnn"),
    Refused("bidirectional-gru", lambda: BidirectionalTagger(nn.GRU), "gru", "bidirectional", "unidirectional", "encoder.rnn"),
    Refused("bidirectional-forgetting", FastForgetting, "lstm", "bidirectional", "unidirectional", "encoder.rnn"),
    Refused("flip", Backwards, "aten.flip", "flip", "drop the flip", "reverse"),
    Refused("attention", FullAttention, "aten.scaled_dot_product_attention", "not causal", "is_causal=True"),
    Refused("attention-by-hand", HandwrittenAttention, "aten.matmul", "not causal", "is_causal=True"),
    Refused("attention-layer", MultiheadLayer, "aten.scaled_dot_product_attention", "not causal", "is_causal=True", "attention"),
    Refused("instance-norm", InstanceNormed, "aten.instance_norm", "over all time", "norm", "norm", CHANNELS),
    Refused("group-norm", GroupNormed, "aten.group_norm", "over all time", "norm", "body.1", CHANNELS),
    Refused("mean-removed", MeanRemoved, "aten.sub", "statistic over all time", "running statistic"),
    Refused("standardized", Standardized, "aten.std", "statistic over all time", "mean"),
    Refused("squeeze-excite", SqueezeExcite, "aten.mul", "statistic over all time", "running statistic", inputs=CHANNELS),
    Refused("batch-norm-without-statistics", UnstoredStatistics, "aten.batch_norm", "over all time", "running statistics", "bn", CHANNELS),
    Refused("length-as-number", DividedByLength, "aten.div", "the length of the whole sequence (time)", "frames so far"),
    Refused("positions-from-the-end", PositionsFromTheEnd, "aten.arange", "from the end of the sequence (time)", "from its start"),
    Refused("first-frame", FirstFrame, "aten.slice", "time", "frames"),
    Refused("softmax-over-time", SoftmaxOverTime, "aten.softmax", "time", "axis"),
    Refused("roll", Rolled, "aten.roll", "end of time", "slice"),
    Refused("sort", SortedOverTime, "aten.sort", "time", "axis"),
    Refused("circular-padding", CircularConv, "aten.", "time", "pad", "conv", CHANNELS),
    Refused("random", Noisy, "aten.randn_like", "random numbers", "outside the model"),
    Refused("dropout-in-eval", AlwaysDropping, "aten.dropout", "random numbers", "eval"),
)
CAPTURE = (
    Refused("packed", Packed, "pack", "packed sequence", "padded"),
    Refused("writes-a-buffer", Counting, "calls", "keeps state in itself", "as an argument"),
    Refused("remembers", Remembering, "hidden", "keeps state in itself", "as an argument"),
    Refused("branch-on-data", Branching, "capture", "data-dependent", "branch"),
    Refused("reads-a-value", Reading, "capture", "data-dependent", "item"),
    Refused("loop-over-time", Looping, "capture", "loop", "nn.GRU"),
    Refused("mixes-time", MixesTime, "capture", "time", "any size of time", inputs=CHANNELS),
)
