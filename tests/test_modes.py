"""Modes that approximate: held against what they mean in terms of the module, labelled, their error measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import edgeseq
from edgeseq.errors import NotStreamable, UsageError, VerificationError
from edgeseq.exporters import Lookahead
from edgeseq.exporters.modes import blockwise
from edgeseq.exporters.modes.reading import parse_mode
from edgeseq.runtime import load
from edgeseq.testing import check_rule

X = {"x": "float32[batch,time,4]"}


class BothWays(nn.Module):
    def __init__(self, cell: Callable[..., nn.RNNBase], layers: int = 1, **options: object) -> None:
        super().__init__()
        self.rnn = cell(4, 3, layers, bidirectional=True, batch_first=True, **options)

    def forward(self, x: Tensor) -> Tensor:
        return self.rnn(x)[0]  # type: ignore[no-any-return]


class DeepSpeechLike(nn.Module):
    """A strided convolution over time and frequency, bidirectional layers with norms between, summed halves."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(1, 2, (3, 5), (2, 2), (1, 2)), nn.BatchNorm2d(2), nn.Hardtanh(0, 20))
        self.rnns = nn.ModuleList(nn.GRU(size, 3, batch_first=True, bidirectional=True) for size in (4, 3))
        self.norms = nn.ModuleList(nn.BatchNorm1d(3) for _ in range(2))
        self.head = nn.Linear(3, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x.mT.unsqueeze(1)).flatten(1, 2).mT
        for rnn, norm in zip(self.rnns, self.norms, strict=True):
            y = rnn(y)[0].unflatten(-1, (2, 3)).sum(2)
            y = norm(y.mT).mT
        return self.head(y).log_softmax(-1)  # type: ignore[no-any-return]


class DualPath(nn.Module):
    """A bidirectional layer over features, which is not time, before one over time."""

    def __init__(self) -> None:
        super().__init__()
        self.across = nn.LSTM(1, 2, batch_first=True, bidirectional=True)
        self.along = nn.LSTM(16, 3, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.across(x.reshape(-1, 4, 1))[0].reshape(x.shape[0], x.shape[1], 16)
        return self.along(y)[0]  # type: ignore[no-any-return]


class Learned(nn.Module):
    """Initial states that are parameters: the backward half of every chunk starts from its own."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(4, 3, batch_first=True, bidirectional=True)
        self.first = nn.Parameter(torch.randn(2, 1, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.rnn(x, self.first.repeat(1, x.shape[0], 1))[0]  # type: ignore[no-any-return]


# -- Lookahead ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("frames", "chunk"), [(0, 1), (0, 4), (3, 1), (5, 4), (8, 4), (12, 3)])
@pytest.mark.parametrize("cell", [nn.LSTM, nn.GRU, nn.RNN], ids=["lstm", "gru", "rnn"])
def test_one_layer_is_late_by_its_look_ahead(cell: type[nn.RNNBase], frames: int, chunk: int) -> None:
    contract = check_rule(BothWays(cell), X, mode=Lookahead(frames, chunk))
    assert (contract.delay, contract.chunk.multiple) == (frames, chunk)


@pytest.mark.parametrize(("frames", "chunk", "delay"), [(3, 1, 9), (8, 4, 24), (5, 4, 8 + 8 + 5)])
def test_right_context_of_stacked_layers_adds_up(frames: int, chunk: int, delay: int) -> None:
    assert check_rule(BothWays(nn.LSTM, 3), X, mode=Lookahead(frames, chunk)).delay == delay


@pytest.mark.parametrize(
    "model",
    [
        DeepSpeechLike(),
        DualPath(),
        Learned(),
        BothWays(nn.LSTM, 2, proj_size=2),
        BothWays(nn.GRU, 2, bias=False),
        nn.Sequential(BothWays(nn.GRU), nn.Linear(6, 4), BothWays(nn.LSTM)),
    ],
    ids=["deep speech", "dual path", "learned", "projected", "no bias", "chain"],
)
def test_other_layers_stay_exact_around_it(model: nn.Module) -> None:
    inputs = {"input": X["x"]} if isinstance(model, nn.Sequential) else X
    check_rule(model, inputs, mode=Lookahead(5, 4))


def test_a_layer_counts_in_its_own_frames() -> None:
    contract = check_rule(DeepSpeechLike(), X, mode=Lookahead(6, 4))
    assert [(layer["name"], layer["frames"], layer["chunk"]) for layer in contract.mode["layers"]] == [
        ("rnns.0", 3, 2),
        ("rnns.1", 3, 2),
    ]


def test_a_layer_over_features_is_left_alone() -> None:
    contract = check_rule(DualPath(), X, mode=Lookahead(2, 2))
    assert [layer["call"] for layer in contract.mode["layers"]] == [1]


def test_the_definition_is_blockwise_by_hand() -> None:
    """Frame j comes from the run that starts at the first multiple of 4 beyond j + 2, or at the end."""
    torch.manual_seed(0)
    model, x = BothWays(nn.GRU).eval(), torch.randn(2, 11, 4)
    with torch.no_grad(), blockwise.BlockwiseBackward([{"call": 0, "chunk": 4, "frames": 2}]):
        made = model(x)
    with torch.no_grad():
        for j in range(11):
            seen = min(11, (j + 2) // 4 * 4 + 4)
            wanted = model(x[:, :seen])[:, j]
            torch.testing.assert_close(made[:, j, 3:], wanted[:, 3:])
        torch.testing.assert_close(made[..., :3], model(x)[..., :3])


def test_the_oracle_sees_a_definition_of_another_look_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    original = blockwise._backward
    monkeypatch.setattr(
        blockwise, "_backward", lambda frames, run, chunk, right: original(frames, run, chunk, right + 1)
    )
    with pytest.raises(VerificationError, match="differs from the whole"):
        check_rule(BothWays(nn.GRU), X, mode=Lookahead(2, 2))


def test_an_approximate_file_is_verified_labelled_and_measured(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = DeepSpeechLike()
    exported = edgeseq.export(model, X, tmp_path / "m.onnx", mode=Lookahead(8, 4))
    mode = exported.contract.mode
    assert (mode["name"], mode["frames"], mode["chunk"]) == ("lookahead", 8, 4)
    stream = load(tmp_path / "m.onnx").stream(batch=2)
    x = np.random.default_rng(0).standard_normal((2, 50, 4)).astype(np.float32)
    parts: list[Any] = [stream.step(x[:, :7]), stream.step(x[:, 7:8]), stream.step(x[:, 8:]), stream.flush()]
    with torch.no_grad():
        whole = model.eval()(torch.from_numpy(x)).numpy()
    error = np.abs(np.concatenate(parts, 1) - whole)
    assert 1e-6 < error.max() < 0.2
    assert mode["error"]["input"] == "random"
    assert 0 < mode["error"]["outputs"]["output"]["rms"] < mode["error"]["outputs"]["output"]["max_abs"]


@pytest.mark.parametrize(
    ("model", "mode", "why"),
    [
        (DeepSpeechLike(), Lookahead(4, 3), "a chunk of 3 is no whole number of frames here"),
        (nn.Sequential(nn.Linear(4, 4)), Lookahead(4), "Lookahead changes nothing in this model"),
    ],
    ids=["chunk", "nothing"],
)
def test_a_look_ahead_that_does_not_fit_is_refused(model: nn.Module, mode: Lookahead, why: str) -> None:
    inputs = {"input": X["x"]} if isinstance(model, nn.Sequential) else X
    with pytest.raises((NotStreamable, UsageError), match=why):
        check_rule(model, inputs, mode=mode)


def test_final_states_of_a_backward_half_are_refused() -> None:
    class Classifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.GRU(4, 3, batch_first=True, bidirectional=True)

        def forward(self, x: Tensor) -> Tensor:
            return self.rnn(x)[1].transpose(0, 1).flatten(1)  # type: ignore[no-any-return]

    with pytest.raises(NotStreamable, match="has run over all of time, from its end to its beginning"):
        check_rule(Classifier(), X, mode=Lookahead(4))


def test_without_the_mode_it_stays_refused() -> None:
    with pytest.raises(NotStreamable, match=r"reads the future.*Lookahead"):
        check_rule(BothWays(nn.GRU), X)


@pytest.mark.parametrize(
    ("text", "mode"), [("lookahead:20,chunk=10", Lookahead(20, 10)), ("lookahead:frames=3", Lookahead(3))]
)
def test_modes_as_text(text: str, mode: object) -> None:
    assert parse_mode(text) == mode


@pytest.mark.parametrize("text", ["lookahead", "lookahead:x", "lookahead:3,chunk", "lookahead:3,frames=4", "later:3"])
def test_a_text_that_is_no_mode(text: str) -> None:
    with pytest.raises(UsageError):
        parse_mode(text)


@pytest.mark.parametrize("numbers", [(-1, 1), (3, 0), (2.5, 1), (True, 1)])
def test_numbers_of_a_mode_are_checked(numbers: tuple[object, object]) -> None:
    with pytest.raises(UsageError, match="must be a whole number"):
        Lookahead(*numbers)  # type: ignore[arg-type]
