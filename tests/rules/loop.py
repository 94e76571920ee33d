"""Rows of ``rules/loop.py``: Python loops over time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch._higher_order_ops.associative_scan import associative_scan
from torch._higher_order_ops.scan import scan

from tests.rules.row import FRAMES, Row, headed, parameter

OP = "edgeseq.loop.default"


def leaky(x: torch.Tensor, decay: torch.Tensor, state: Any = 0) -> torch.Tensor:
    kept = []
    for t in range(x.shape[1]):
        state = decay * state + x[:, t]
        kept.append(state)
    return torch.stack(kept, 1)


def strided(m: Any, x: torch.Tensor) -> torch.Tensor:
    return leaky(m.conv(x.mT).mT, m.decay)


def two_sequences(m: Any, x: torch.Tensor) -> torch.Tensor:
    gates, values = torch.sigmoid(m.gate(headed(x))), x
    h, kept = torch.zeros_like(x[:, 0]), []
    for t in range(x.shape[1]):
        h = gates[:, t] * h + values[:, t]
        kept.append(h)
    return torch.stack(kept, 1)


def attending(m: Any, x: torch.Tensor) -> torch.Tensor:
    """Every turn looks at every frame."""
    state, kept = x.new_zeros(x.shape[0], 4), []
    for t in range(x.shape[1]):
        weights = torch.softmax((x * (state + x[:, t]).unsqueeze(1)).sum(-1), 1)
        state = torch.einsum("bt,btf->bf", weights, x)
        kept.append(state)
    return torch.stack(kept, 1)


def scanned(x: torch.Tensor, decay: torch.Tensor, **where: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """The last state and all of them, by torch's own scan."""

    def turn(state: torch.Tensor, frame: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        state = decay * state + frame
        return state, state.clone()

    where = {"dim": 1, **where}
    first = where.pop("first", x.new_zeros(x.shape[0], x.shape[2 if where["dim"] == 1 else 1]))
    return scan(turn, first, x, **where)


def largest(x: torch.Tensor, dim: int = 1) -> Any:
    return associative_scan(torch.maximum, x, dim=dim, combine_mode="generic")


DECAY: dict[str, Callable[[], Any]] = {"decay": parameter(4)}

STRIDED: dict[str, Callable[[], Any]] = {**DECAY, "conv": lambda: nn.Conv1d(4, 4, 3, 2, padding=1)}

ROWS = (
    Row(OP, "behind padding and look-ahead", lambda m, x: leaky(headed(x), m.decay), parts=DECAY, delay=1),
    Row(OP, "its last value", lambda m, x: leaky(headed(x), m.decay)[:, -1], parts=DECAY, delay=1),
    Row(OP, "sequences of different delay", two_sequences, parts={"gate": lambda: nn.Linear(4, 4)}, delay=1),
    Row(OP, "every second frame of its own", strided, {"x": "float32[batch,time,4]"}, STRIDED),
    Row(OP, "a state given", lambda m, x, y: leaky(x, m.decay, y), {"x": FRAMES, "y": "float32[batch,4]"}, DECAY),
    Row(
        OP,
        "a state computed from an input",
        lambda m, x, y: leaky(x, m.decay, torch.tanh(y)),
        {"x": FRAMES, "y": "float32[batch,4]"},
        DECAY,
    ),
    Row(OP, "scan behind padding and look-ahead", lambda m, x: scanned(headed(x), m.decay)[1], parts=DECAY, delay=1),
    Row(OP, "what a scan carries at last", lambda m, x: scanned(headed(x), m.decay), parts=DECAY, delay=1),
    Row(OP, "scan of every second frame", lambda m, x: scanned(m.conv(x.mT).mT, m.decay)[1], parts=STRIDED),
    Row(
        OP,
        "scan from a state computed from an input",
        lambda m, x, y: scanned(x, m.decay, first=torch.tanh(y))[1],
        {"x": FRAMES, "y": "float32[batch,4]"},
        DECAY,
    ),
    Row(OP, "associative scan", lambda _, x: largest(headed(x)), delay=1),
    Row(
        OP,
        "scan that begins with a frame",
        lambda m, x: scanned(x, m.decay, first=x[:, 0].clone())[1],
        parts=DECAY,
        refused="what it carries begins with something that depends on the frames",
    ),
    Row(
        OP,
        "scan over features",
        lambda m, x: scanned(x, m.one, dim=2)[1],
        parts={"one": parameter(1)},
        refused="it loops over another axis than time",
    ),
    Row(OP, "attention over all of time", attending, refused="its body reads a whole sequence"),
)
