"""The oracle itself: it must catch what it is there to catch."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch
from torch import nn

from edgeseq.errors import VerificationError
from edgeseq.exporters.facts import Timed
from edgeseq.exporters.rules import convolution, padding, shifts, summaries
from edgeseq.exporters.rules.schema import result_shape
from edgeseq.testing import check_rule, random_chunks

aten = torch.ops.aten
SPEC = {"x": "float32[batch,time,4]"}


class Peeking(nn.Module):
    """A GRU in front of a shift by one frame into the future."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(4, 4, batch_first=True)

    def forward(self, x: torch.Tensor) -> Any:
        return self.gru(torch.nn.functional.pad(x, (0, 0, 0, 1))[:, 1:])[0]


def forgets_the_look_ahead(step: Any, facts: Any, x: torch.Tensor, *_: Any, **__: Any) -> tuple[torch.Tensor, Timed]:
    return x, facts[0].with_(shape=result_shape(step))


def test_look_ahead_behind_a_gru_streams_with_a_delay() -> None:
    assert check_rule(Peeking(), SPEC).delay == 1


def test_a_rule_that_loses_one_frame_of_look_ahead_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(shifts.RULES, aten.slice.Tensor, forgets_the_look_ahead)
    monkeypatch.setitem(padding.RULES, aten.pad.default, forgets_the_look_ahead)
    with pytest.raises(
        VerificationError, match=r"differs from the whole at output, .*, at \[.*\] \(got .*, wanted .*\)"
    ):
        check_rule(Peeking(), SPEC)


def forgets_its_history(step: Any, facts: Any, *args: Any, **__: Any) -> tuple[torch.Tensor, Timed]:
    x, weight, bias = args[:3]
    padded = torch.nn.functional.pad(x, (weight.shape[2] - 1, 0))
    return torch.conv1d(padded, weight, bias), facts[0].with_(shape=result_shape(step))


class Causal(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(4, 4, 3, padding=2)

    def forward(self, x: torch.Tensor) -> Any:
        return self.conv(x.transpose(1, 2))[:, :, :-2].transpose(1, 2)


def test_a_convolution_that_pads_every_chunk_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    check_rule(Causal(), SPEC)
    monkeypatch.setitem(convolution.RULES, aten.conv1d.default, forgets_its_history)
    monkeypatch.setitem(shifts.RULES, aten.slice.Tensor, forgets_the_look_ahead)
    with pytest.raises(VerificationError, match="differs from the whole"):
        check_rule(Causal(), SPEC)


class LateAndSummed(nn.Module):
    """A sum of the input beside an output that looks ahead, so that frames are fed past the end."""

    def forward(self, x: torch.Tensor) -> Any:
        return x.sum(1), torch.nn.functional.pad(x, (0, 0, 0, 1))[:, 1:]


def test_a_sum_that_takes_in_frames_past_the_end_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    check_rule(LateAndSummed(), SPEC)
    monkeypatch.setattr(summaries, "past_end", lambda _step, x, fact, _fill: (x, fact))
    with pytest.raises(VerificationError, match=r"differs from the whole at output\.0"):
        check_rule(LateAndSummed(), SPEC)


def test_random_chunks_add_up_and_are_a_multiple_of_nothing() -> None:
    chunks = random_chunks(200, random.Random(1))
    assert sum(chunks) == 200
    assert {1, 2, 3, 5, 8} <= set(chunks)
