"""Attention with masks of every origin streams exactly, or is refused with the pair of frames that is in the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from edgeseq import runtime
from edgeseq.errors import NotStreamable
from edgeseq.exporters import export
from edgeseq.exporters.facts import Reach
from edgeseq.exporters.known import after, known_of, masked
from edgeseq.exporters.reach import reach_of
from edgeseq.testing import check_rule
from tests.attention_models import BATCH_FIRST, MODELS, WIDTH, ByHand, Chunked, LooksAhead, Sliding

_EXPORTED = ("ByHand", "Sliding", "LooksAhead", "Chunked", "KeyPadding", "GroupedFused", "BatchedProducts")


@pytest.mark.parametrize("name", MODELS)
def test_streams_exactly(name: str) -> None:
    make, inputs = MODELS[name]
    torch.manual_seed(0)
    check_rule(make(), inputs)


@pytest.mark.parametrize("name", _EXPORTED)
def test_obeys_the_laws_as_a_file(name: str, tmp_path: Path) -> None:
    make, inputs = MODELS[name]
    torch.manual_seed(0)
    made = export(make().eval(), inputs, tmp_path / "m.onnx", ops="portable" if name == "ByHand" else "ort")
    assert made.verification.passed


def test_a_window_bounds_what_is_kept() -> None:
    states = check_rule(Sliding(), BATCH_FIRST).states
    kept = {state.name: state.shape for state in states if state.kind == "kv"}
    assert list(kept.values()) == [("batch", 2, 3, 8), ("batch", 2, 3, 8)]


def test_a_window_never_fills(tmp_path: Path) -> None:
    made = export(Sliding().eval(), BATCH_FIRST, tmp_path / "m.onnx")
    assert made.contract.max_context is None


def test_frames_of_a_chunk_come_in_whole_chunks() -> None:
    contract = check_rule(Chunked(), BATCH_FIRST)
    assert (contract.chunk.multiple, contract.delay) == (4, 0)


class WideBand(ByHand):
    """A window that a look at the first thousand frames does not show."""

    def masked(self, scores: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        place = torch.arange(x.size(1))
        distance = place[:, None] - place[None, :]
        return scores.masked_fill((distance < 0) | (distance >= 1200), float("-inf"))


def test_a_window_beyond_the_first_thousand_frames_is_kept() -> None:
    contract = check_rule(WideBand(), BATCH_FIRST, frames=1300, batch=1)
    assert [state.shape[2] for state in contract.states if state.kind == "kv"] == ["capacity", "capacity"]


class LooksAheadLate(ByHand):
    """Causal for 2,000 frames, and then not."""

    def masked(self, scores: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        place = torch.arange(x.size(1))
        hidden = place[None, :] > place[:, None] + (place[:, None] > 2000) * 3
        return scores.masked_fill(hidden, float("-inf"))


def test_looking_ahead_late_is_seen() -> None:
    with pytest.raises(NotStreamable, match=r"query 2\d\d\d reads key 2\d\d\d, a frame that has not come yet"):
        check_rule(LooksAheadLate(), BATCH_FIRST)


def test_looking_ahead_is_a_delay() -> None:
    assert check_rule(LooksAhead(), BATCH_FIRST).delay == 2


def test_no_mask_is_as_large_as_the_sequence_squared(tmp_path: Path) -> None:
    """A step of one frame after 63 others touches rows of 64, never 64 x 64."""
    made = export(ByHand().eval(), BATCH_FIRST, tmp_path / "m.onnx")
    stream = runtime.load(made.path).stream(max_context=64)
    for _ in range(63):
        stream.step(np.ones((1, 1, WIDTH), np.float32))
    answer: Any = stream.step(np.ones((1, 1, WIDTH), np.float32))
    assert answer.shape == (1, 1, WIDTH)


class NotCausal(ByHand):
    def masked(self, scores: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return scores


class PeeksFarther(ByHand):
    """Every query from the fifth on reads the last key."""

    def masked(self, scores: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        place = torch.arange(x.size(1))
        later = place[None, :] > place[:, None]
        return scores.masked_fill(later & (place[:, None] < 5), float("-inf"))


class MaskTooWeak(ByHand):
    """A penalty that a large score overcomes is no mask."""

    def masked(self, scores: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return scores - 10.0 * torch.ones(x.size(1), x.size(1)).triu(1)


class NoKeyLeft(ByHand):
    """The first query may read nothing: a finite mask makes it read everything."""

    def masked(self, scores: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return scores.masked_fill(torch.ones(x.size(1), x.size(1)).triu(0) == 1, -1e9)


class OverQueries(ByHand):
    def forward(self, x: torch.Tensor) -> Any:
        q, k, v = self.heads(x)
        weights = functional.softmax(self.masked(q @ k.transpose(-2, -1), x), dim=-1)
        return self.out((weights / weights.sum(-2, keepdim=True) @ v).transpose(1, 2).flatten(2))


class ReturnsWeights(ByHand):
    def forward(self, x: torch.Tensor) -> Any:
        q, k, _ = self.heads(x)
        return functional.softmax(self.masked(q @ k.transpose(-2, -1), x), dim=-1)


class MeanOverKeys(ByHand):
    def forward(self, x: torch.Tensor) -> Any:
        q, k, _ = self.heads(x)
        return functional.softmax(self.masked(q @ k.transpose(-2, -1), x), dim=-1).mean(-1)


REFUSED: dict[str, tuple[type[nn.Module], str]] = {
    "not causal": (NotCausal, "query 0 reads key 1, a frame that has not come yet: it is not causal"),
    "peeks farther": (PeeksFarther, "query 5 reads key 6, a frame that has not come yet"),
    "mask too weak": (MaskTooWeak, "query 0 reads key 1, a frame that has not come yet"),
    "no key left": (NoKeyLeft, "a query that has no key left reads all keys alike"),
    "over queries": (OverQueries, "it sums over all queries, those that have not come yet among them"),
    "returns weights": (ReturnsWeights, "the model returns a value over pairs of frames, as attention weights are"),
    "mean over keys": (MeanOverKeys, "a statistic over keys that depends on those that have not come"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_is_refused_by_name(case: str) -> None:
    make, why = REFUSED[case]
    with pytest.raises(NotStreamable) as caught:
        check_rule(make(), BATCH_FIRST)
    assert why in str(caught.value)
    assert "test_attention.py:" in str(caught.value) or "attention_models.py:" in str(caught.value)


def _band(frames: int, back: int, ahead: int) -> torch.Tensor:
    place = torch.arange(frames)
    distance = place[:, None] - place[None, :]
    return (distance <= back) & (distance >= -ahead)


def test_reach_is_read_off_the_pairs() -> None:
    block = torch.arange(96) // 4
    assert reach_of(torch.ones(64, 64, dtype=torch.bool).tril()) == Reach()
    assert reach_of(_band(64, 3, 0)) == Reach(window=4)
    assert reach_of(_band(64, 3, 2)) == Reach(window=4, ahead=2)
    assert reach_of(block[:, None] >= block[None, :]) == Reach(block=4)
    assert reach_of(block[:, None] == block[None, :]) == Reach(window=4, block=4)
    assert reach_of(torch.ones(64, 64, dtype=torch.bool)) == (0, 1)


def test_a_block_that_leaks_is_no_block() -> None:
    block = torch.arange(96) // 4
    leaking = block[:, None] >= block[None, :]
    leaking[40, 80] = True
    assert reach_of(leaking) == (0, 1)


def test_what_is_masked_is_known_through_arithmetic() -> None:
    keep = known_of(torch.ones(4, 4).tril())
    flipped = after([(keep, torch.float32)], lambda values: 1.0 - values[0])
    scaled = after([(flipped, torch.float32)], lambda values: values[0] * -1e4)
    added = after([(None, torch.float32), (scaled, torch.float32)], lambda values: values[0] + values[1])
    hidden = masked(added)
    assert hidden is not None
    assert torch.equal(hidden, torch.ones(4, 4).triu(1).bool())


def test_a_mask_that_is_scaled_down_is_none() -> None:
    low = known_of(torch.ones(4, 4).triu(1) * -1e4)
    added = after([(None, torch.float32), (low, torch.float32)], lambda values: values[0] + values[1])
    assert masked(added) is not None
    assert masked(after([(added, torch.float32)], lambda values: values[0] * 0.001)) is None


def test_what_depends_on_the_input_is_not_known() -> None:
    keep = known_of(torch.ones(4, 4).tril())
    assert after([(None, torch.float32), (keep, torch.float32)], lambda values: values[0] + values[1]) == ()
