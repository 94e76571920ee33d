"""Rows of ``rules/recurrent.py``: nn.RNN, nn.LSTM and nn.GRU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from tests.rules.row import FRAMES, Row, headed

BIDIRECTIONAL = "a bidirectional layer reads the future"


def cell(kind: Callable[..., nn.Module], *args: Any, **kwargs: Any) -> dict[str, Callable[[], nn.Module]]:
    return {"cell": lambda: kind(4, *args, batch_first=True, **kwargs)}


def frames(m: Any, x: torch.Tensor) -> torch.Tensor:
    return m.cell(x)[0]  # type: ignore[no-any-return]


def both(m: Any, x: torch.Tensor) -> Any:
    return m.cell(headed(x))


ROWS = (
    Row("aten.rnn_tanh", "two layers", frames, parts=cell(nn.RNN, 3, 2)),
    Row("aten.rnn_relu", "frames and the final state", both, parts=cell(nn.RNN, 3, nonlinearity="relu"), delay=1),
    Row("aten.lstm", "projected, final states", both, parts=cell(nn.LSTM, 5, proj_size=3), delay=1),
    Row("aten.lstm", "without biases", frames, parts=cell(nn.LSTM, 3, bias=False)),
    Row("aten.gru", "two layers, final states", both, parts=cell(nn.GRU, 3, 2), delay=1),
    Row(
        "aten.gru",
        "a state given",
        lambda m, x, y: m.cell(x, y),
        {"x": FRAMES, "y": "float32[1,batch,3]"},
        cell(nn.GRU, 3),
    ),
    Row(
        "aten.gru",
        "both ways over bands of every frame",
        lambda m, x: m.cell(x.flatten(0, 1))[0].unflatten(0, (x.shape[0], -1)),
        {"x": "float32[batch,time,5,4]"},
        cell(nn.GRU, 3, bidirectional=True),
    ),
    Row("aten.rnn_tanh", "both ways", frames, parts=cell(nn.RNN, 3, bidirectional=True), refused=BIDIRECTIONAL),
)
