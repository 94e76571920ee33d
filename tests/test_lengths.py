"""What a model says about the length of time in Python: ``int`` keeps it free; what would fix it is refused."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from edgeseq.errors import CaptureError
from edgeseq.testing import check_rule
from tests.rules.row import FRAMES, Called

WAVE = {"x": "float32[batch,3,time]"}


class Chomp(nn.Module):
    """Pads on both sides and keeps as many frames as came, counted by ``int``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 4, 3, stride=2)
        self.causal = nn.Conv1d(4, 4, 3, padding=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        size = int(x.size(2))
        assert isinstance(size, int)
        chomped: torch.Tensor = self.causal(x)[:, :, :size]
        return chomped


class Halves(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        frames = int(x.size(2) / 2)
        return x[:, :, : 2 * frames].reshape(x.size(0), 3 * int("1"), frames, 2).sum(-1)


class CountsRows(nn.Module):
    """Time first, counted by ``len``."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.permute(2, 0, 1)
        return functional.pad(x, (0, 0, 0, 0, 2, 0))[: len(x)] * len([1, 2])


class PoolsAll(nn.Module):
    """The window is as long as what a strided layer leaves."""

    def __init__(self, pool: Any) -> None:
        super().__init__()
        self.pool = pool
        self.conv = nn.Conv2d(3, 4, (3, 1), (2, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x.unsqueeze(-1))
        return self.pool(x, x.size()[2:]).mean((2, 3))  # type: ignore[no-any-return]


class PadsIfOdd(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.size(2) % 2 != 0:
            x = functional.pad(x, (0, 2 - x.size(2) % 2))
        return x.reshape(x.size(0), 3, -1, 2).sum(-1)


class LongOnly(nn.Module):
    """A branch that any longer sequence takes too."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2 if x.size(2) > 3 else x


@pytest.mark.parametrize("make", [Chomp, Halves, CountsRows, LongOnly])
def test_the_length_stays_free(make: type[nn.Module]) -> None:
    check_rule(make(), WAVE)


def test_int_and_len_are_themselves_again_after_the_capture() -> None:
    check_rule(Chomp(), WAVE)
    assert not {"int", "len"} & set(vars(sys.modules[__name__]))


@pytest.mark.parametrize("pool", [functional.avg_pool2d, functional.max_pool2d])
def test_a_window_as_long_as_time_takes_all_of_it(pool: Any) -> None:
    check_rule(PoolsAll(pool), WAVE)


def test_a_size_that_follows_from_time_is_not_fixed() -> None:
    powers = lambda x, size: functional.lp_pool2d(x, 2, size)  # noqa: E731
    with pytest.raises(CaptureError, match=r"\(\(time - 3\)//2\)+ \+ 1 became 18, its value in the example\."):
        check_rule(PoolsAll(powers), WAVE)


def test_a_branch_on_the_remainder_of_time_is_refused_with_its_line() -> None:
    with pytest.raises(
        CaptureError, match=r"at test_lengths\.py:\d+: what was captured is right only where Ne\(.*time"
    ):
        check_rule(PadsIfOdd(), WAVE)


def padded_again_and_again(_: Any, x: torch.Tensor) -> torch.Tensor:
    """Segments of several sizes, each padded to by the remainder of a remainder, as dual-path networks do."""
    for size in (8, 6, 10, 14, 22):
        rest = size - (size // 2 + x.shape[1] % size) % size
        x = torch.nn.functional.pad(x, (0, 0, 0, rest))
    return x


def test_a_size_whose_formula_grows_is_refused_in_time() -> None:
    """torch.export worked on DPRNN's for minutes."""
    with pytest.raises(CaptureError, match="the formula of a size grows with every layer at test_lengths") as refused:
        check_rule(Called(padded_again_and_again, {}), {"x": FRAMES})
    assert "Pad once, and cut segments with one Tensor.unfold" in str(refused.value)
