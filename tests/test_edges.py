"""Small models at the edges of the rules: each was once wrong, or once not told apart from what is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from edgeseq.errors import NotStreamable
from edgeseq.exporters import export
from edgeseq.testing import check_rule

SPEC = "float32[batch,time,4]"
Function = Callable[[Any, torch.Tensor], Any]


class Given(nn.Module):
    """``forward(x) = function(self, x)``, with some parts."""

    def __init__(self, function: Function, **parts: Any) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(self, x)


def embedding(rows: int) -> nn.Module:
    return nn.Embedding(rows, 4)


def table(rows: int, width: int = 4) -> nn.Parameter:
    return nn.Parameter(torch.randn(rows, width))


STREAMS: dict[str, tuple[Given, int, int | None]] = {
    "a sum divided by one less than the length": (Given(lambda _, x: x.sum(1) / (x.shape[1] - 1)), 0, None),
    "a tail cut to a multiple": (Given(lambda _, x: x[:, : x.shape[1] // 4 * 4]), 3, None),
    "a mean over a tail cut to a multiple": (Given(lambda _, x: x[:, : x.shape[1] // 4 * 4].mean(1)), 3, None),
    "positions moved by two": (Given(lambda m, x: x + m.e(torch.arange(x.shape[1]) + 2), e=embedding(50)), 0, 48),
    "positions of another integer type": (
        Given(lambda m, x: x + m.e(torch.arange(x.shape[1], dtype=torch.int32).long()), e=embedding(50)),
        0,
        50,
    ),
    "positions without the last three": (
        Given(lambda m, x: x[:, :-3] + m.e(torch.arange(x.shape[1])[:-3]), e=embedding(50)),
        3,
        51,
    ),
    "a fill without time made from a frame": (
        Given(lambda _, x: x.new_ones(x.shape[0], 1, 4).sum(1) + x.mean(1)),
        0,
        None,
    ),
    "a fill as long as time": (Given(lambda _, x: x + x.new_zeros(x.shape[1], 1)), 0, None),
    "zeros made from a frame in front": (
        Given(lambda _, x: torch.cat([x.new_zeros(x.shape[0], 3, 4), x], 1)[:, :-3]),
        0,
        None,
    ),
    "a count of true values": (Given(lambda _, x: (x > 0).sum(1)), 0, None),
    "a scalar where": (Given(lambda _, x: torch.where(x > 0, x, 0.0)), 0, None),
    "an infinite output": (Given(lambda _, x: x * float("inf")), 0, None),
    "a boolean output": (Given(lambda _, x: x > 0), 0, None),
    "a padded stride behind look-ahead": (
        Given(lambda m, x: m.c(x[:, 1:].transpose(1, 2)), c=nn.Conv1d(4, 4, 8, stride=8, padding=1)),
        8,
        None,
    ),
    "heads with the batch folded": (
        Given(
            lambda m, x: m.b(torch.tanh(m.a(functional.pad(_banded(x), (4, 0))))),
            a=nn.Conv1d(4, 4, 3),
            b=nn.Conv1d(4, 4, 3),
        ),
        0,
        None,
    ),
}


def _banded(x: torch.Tensor) -> torch.Tensor:
    """Three copies of every row: ``[3 * batch, channels, time]``."""
    return x.transpose(1, 2)[:, None].expand(-1, 3, -1, -1).reshape(-1, 4, x.shape[1])


def _bands(x: torch.Tensor) -> torch.Tensor:
    """Two bands of every row: ``[2 * batch, time, 2]``."""
    return x.view(x.shape[0], x.shape[1], 2, 2).transpose(1, 2).flatten(0, 1)


@pytest.mark.parametrize("name", STREAMS)
def test_streams_exactly(name: str) -> None:
    model, delay, context = STREAMS[name]
    contract = check_rule(model, {"x": SPEC}, frames=24)
    assert (contract.delay, contract.max_context) == (delay, context)


WITHOUT_ROWS: dict[str, tuple[Given, str]] = {
    "no batch": (
        Given(
            lambda m, x: m.c((x + m.p[: x.shape[0]]).t()[None])[0, :, :-2].t(),
            p=table(64),
            c=nn.Conv1d(4, 4, 3, padding=2),
        ),
        "float32[time,4]",
    ),
    "a batch of one": (
        Given(lambda m, x: m.g(x + m.p[: x.shape[1]])[0], p=table(64), g=nn.GRU(4, 4, batch_first=True)),
        "float32[1,time,4]",
    ),
    "a batch of three with states of their own": (
        Given(lambda m, x: m.g(x, m.h)[0], g=nn.GRU(4, 3, batch_first=True), h=nn.Parameter(torch.randn(1, 3, 3))),
        "float32[3,time,4]",
    ),
}


@pytest.mark.parametrize("name", WITHOUT_ROWS)
def test_a_batch_that_is_fixed_has_no_rows(name: str) -> None:
    model, spec = WITHOUT_ROWS[name]
    check_rule(model, {"x": spec})


def _future(x: torch.Tensor) -> torch.Tensor:
    """True for pairs of frames of which the second comes later."""
    return torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).triu(1)


REFUSED: dict[str, tuple[Given, str]] = {
    "a table read in strides": (Given(lambda m, x: x + m.p[: 2 * x.shape[1] : 2], p=table(90)), "in strides of time"),
    "half of all time": (Given(lambda _, x: x[:, : x.shape[1] // 2]), r"a share of all time, \(time//2\) frames"),
    "a number that must be plain": (
        Given(lambda _, x: (x.mean(1), torch.full((x.shape[0],), x.shape[1]))),
        "where only a plain number fits",
    ),
    "scores divided by the length": (
        Given(lambda _, x: (x @ x.mT / x.shape[1]).masked_fill(_future(x), 0) @ x),
        "the length of the whole sequence",
    ),
    "scores scaled by a root of the length": (
        Given(lambda _, x: (x @ x.mT * x.shape[1] ** -0.5).masked_fill(_future(x), -torch.inf).softmax(-1) @ x),
        "the length of the whole sequence",
    ),
    "weights padded to the length": (
        Given(lambda m, x: x + functional.pad(m.p, (0, 0, 0, x.shape[1] - 3)), p=table(3)),
        "to the length of all time",
    ),
    "a learned state per band of a folded batch": (
        Given(
            lambda m, x: m.g(x.view(x.shape[0], -1, 2, 2).transpose(1, 2).flatten(0, 1), m.h.repeat(1, x.shape[0], 1))[
                0
            ],
            g=nn.GRU(2, 3, batch_first=True),
            h=nn.Parameter(torch.randn(1, 2, 3)),
        ),
        "differs along an axis that batch shares",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_the_reason(name: str) -> None:
    model, reason = REFUSED[name]
    with pytest.raises(NotStreamable, match=reason):
        check_rule(model, {"x": SPEC})


def test_an_argument_may_be_called_as_a_builtin_is() -> None:
    class Mixed(Given):
        def forward(self, input: torch.Tensor) -> Any:  # noqa: A002
            return super().forward(input)

    model = Mixed(lambda m, x: x @ m.p.softmax(-1), p=nn.Parameter(torch.randn(4, 4)))
    check_rule(model, {"input": SPEC})


def test_a_buffer_and_a_folded_value_of_one_name_are_kept_apart() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.ones(4))
            self.w = nn.Parameter(torch.randn(3, 4))

        def forward(self, x: torch.Tensor) -> Any:
            return x * self.w.mean(0) + self.get_buffer("mean")

    check_rule(Named(), {"x": SPEC})


class Rotary(nn.Module):
    """Causal attention with rotary positions, as textbooks write them: angles of arange(T), doubled by a cat."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(16, 48)
        self.register_buffer("speed", 1 / 10_000 ** (torch.arange(0, 8, 2) / 8))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (part.unflatten(-1, (2, 8)).transpose(1, 2) for part in self.qkv(x).chunk(3, -1))
        angles = torch.outer(torch.arange(x.shape[1], device=x.device).float(), self.speed)  # type: ignore[arg-type]
        angles = torch.cat([angles, angles], -1)

        def turned(value: torch.Tensor) -> torch.Tensor:
            left, right = value.chunk(2, -1)
            return value * angles.cos() + torch.cat([-right, left], -1) * angles.sin()

        y = functional.scaled_dot_product_attention(turned(q), turned(k), v, is_causal=True)
        return y.transpose(1, 2).flatten(2)


class Doubled(nn.Module):
    """A learned position beside itself, and a wave beside its quarter turn."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(64, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        t = torch.arange(x.shape[1], device=x.device)
        learned, turn = self.table(t), t.float()[:, None]
        return x + torch.cat([learned, learned, torch.stack([turn.sin(), turn.cos()], -1).flatten(1)], -1)


@pytest.mark.parametrize(("model", "width"), [(Rotary, 16), (Doubled, 10)])
def test_positions_may_be_joined_before_they_meet_a_frame(model: type[nn.Module], width: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    spec = {"x": f"float32[batch,time,{width}]"}
    check_rule(model(), spec)
    assert export(model(), spec, tmp_path / "m.onnx").verification.passed
