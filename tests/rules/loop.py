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


def averaged(x: torch.Tensor, decay: torch.Tensor) -> torch.Tensor:
    """The first frame is taken as it is, and nothing is carried into it."""
    state, kept = None, []
    for t in range(x.shape[1]):
        state = torch.tanh(x[:, t]) if state is None else decay * state + x[:, t]
        kept.append(state)
    return torch.stack(kept, 1)


def smoothed(m: Any, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    kept = [x[:, 0]]
    for t in range(1, x.shape[1]):
        kept.append(m.decay * kept[-1] + (1 - m.decay) * x[:, t])
    return torch.stack(kept, 1), kept[-1]


def conditioned_layer(m: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """A recurrent layer in the body whose weights an input makes."""
    h, kept = x.new_zeros(1, x.shape[0], 4), []
    for t in range(x.shape[1]):
        weights = [y[0], *list(m.gru.parameters())[1:]]
        _, h = torch.gru(x[:, t : t + 1], h, weights, True, 1, 0.0, False, False, True)
        kept.append(h[0])
    return torch.stack(kept, 1)


def limited_before(m: Any, x: torch.Tensor) -> torch.Tensor:
    assert x.shape[1] <= 200, "longer than the context"
    return leaky(x, m.decay)


def limited_after(m: Any, x: torch.Tensor) -> torch.Tensor:
    y = leaky(x, m.decay)
    assert x.shape[1] <= 50, "longer than the context"
    return y


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
    Row(OP, "scan from the first frame", lambda m, x: scanned(x, m.decay, first=x[:, 0].clone()), parts=DECAY),
    Row(
        OP,
        "scan from three frames' mean",
        lambda m, x: scanned(x, m.decay, first=x[:, :3].mean(1))[1],
        parts=DECAY,
        delay=2,
    ),
    Row(OP, "a limit that it says before", limited_before, parts=DECAY, max_context=200),
    Row(OP, "a limit that it says after", limited_after, parts=DECAY, max_context=50),
    Row(OP, "another first turn", lambda m, x: averaged(headed(x), m.decay), parts=DECAY, delay=1),
    Row(OP, "another first turn of every second frame", lambda m, x: averaged(m.conv(x.mT).mT, m.decay), parts=STRIDED),
    Row(OP, "an average that begins with the first frame", smoothed, parts=DECAY),
    Row(
        OP,
        "scan over features",
        lambda m, x: scanned(x, m.one, dim=2)[1],
        parts={"one": parameter(1)},
        refused="it loops over another axis than time",
    ),
    Row(
        OP,
        "a recurrent layer with computed weights in it",
        conditioned_layer,
        {"x": FRAMES, "y": "float32[batch,12,4]"},
        {"gru": lambda: nn.GRU(4, 4, batch_first=True)},
        refused="a recurrent layer whose weights are computed from an input",
    ),
    Row(OP, "attention over all of time", attending, refused="its body reads a whole sequence"),
)
