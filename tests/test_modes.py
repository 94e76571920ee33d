"""Modes that approximate: held against what they mean in terms of the module, labelled, their error measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import edgeseq
from edgeseq.cli.summary import error_in_words, mode_in_words
from edgeseq.errors import NonFiniteInput, NotStreamable, ShapeError, UsageError, VerificationError
from edgeseq.exporters import Lookahead, Sequence, Window, explain, verify
from edgeseq.exporters.modes import blockwise
from edgeseq.exporters.modes.reading import parse_mode
from edgeseq.exporters.modes.window_sizes import Windows
from edgeseq.runtime import load, replay
from edgeseq.sealing import seal
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
    ("text", "mode"),
    [
        ("lookahead:20,chunk=10", Lookahead(20, 10)),
        ("lookahead:frames=3", Lookahead(3)),
        ("window:64,hop=8", Window(64, 8)),
        ("sequence", Sequence()),
    ],
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


# -- Window ------------------------------------------------------------------------------------------------------------


class Tagger(nn.Module):
    """BERT-like: every token sees every other; a tag for each, a class for all."""

    def __init__(self, positions: int = 32) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(20, 8), nn.Embedding(positions, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.tags, self.sort = nn.Linear(8, 5), nn.Linear(8, 3)

    def forward(self, ids: Tensor) -> dict[str, Tensor]:
        y = self.encoder(self.words(ids) + self.places(torch.arange(ids.shape[1])))
        return {"tags": self.tags(y), "sort": self.sort(y.mean(1))}


class NormsOverTime(nn.Module):
    """Norms over all of time around a strided convolution, then a layer that runs both ways."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv1d(4, 6, 5, stride=2, padding=2)
        self.norms = nn.ModuleList([nn.InstanceNorm1d(6, affine=True), nn.GroupNorm(2, 6)])
        self.rnn = nn.LSTM(6, 2, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norms[1](self.norms[0](self.down(x)).relu())
        return self.rnn(y.mT)[0]  # type: ignore[no-any-return]


IDS = {"ids": "int64[batch,time]"}


def test_a_tagger_runs_on_its_last_tokens(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Tagger().eval()
    exported = edgeseq.export(model, IDS, tmp_path / "m.onnx", mode=Window(12, hop=2, lookahead=3))
    contract = exported.contract
    assert (contract.delay, contract.chunk.multiple, contract.chunk.max, contract.max_context) == (3, 2, 2, None)
    assert contract.mode["error"]["frames"] <= 32, "the whole model takes no more"
    ids = np.random.default_rng(0).integers(0, 20, (2, 41))
    stream = load(tmp_path / "m.onnx").stream(batch=2)
    answers: list[Any] = [stream.step(ids[:, :7]), stream.step(ids[:, 7:]), stream.flush()]
    tags = np.concatenate([answer["tags"] for answer in answers], 1)
    with torch.no_grad():
        for j in range(41):
            end = min(41, (j + 3) // 2 * 2 + 2)  # the first even count at which frame j is three frames old
            start = max(0, end - 12)
            wanted = model(torch.from_numpy(ids[:, start:end]))["tags"][:, j - start]
            np.testing.assert_allclose(tags[:, j], wanted, atol=1e-5)
        wanted = model(torch.from_numpy(ids[:, -12:]))["sort"]
    np.testing.assert_allclose(answers[-1]["sort"], wanted, atol=1e-5)


def test_frames_at_half_the_rate_and_norms_over_the_window(tmp_path: Path) -> None:
    exported = edgeseq.export(
        NormsOverTime(), {"x": "float32[batch,4,time]"}, tmp_path / "m.onnx", mode=Window(16, 4, lookahead=6)
    )
    port = exported.contract.port("output")
    assert (port.ratio, port.delay, exported.contract.mode["step"]) == (Fraction(1, 2), 3, 2)
    assert exported.contract.receptive_field == 16


def test_one_frame_a_call_without_look_ahead_needs_no_count_of_the_end() -> None:
    contract = explain(BothWays(nn.GRU), X, mode=Window(8))
    assert [port.role for port in contract.ports] == ["frame", "output"]
    assert [state.shape for state in contract.states] == [("batch", 7, 4), (1,)]


@pytest.mark.parametrize(
    ("model", "inputs", "mode", "why"),
    [
        (NormsOverTime(), {"x": "float32[batch,4,time]"}, Window(16, 3), "hop of Window does not fit the model"),
        (NormsOverTime(), {"x": "float32[batch,4,time]"}, Window(10, 4, 6), "the window is too short"),
        (Tagger(8), IDS, Window(12), "longer than what the model takes"),
    ],
    ids=["hop", "short", "table"],
)
def test_windows_that_do_not_fit(model: nn.Module, inputs: dict[str, str], mode: Window, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        explain(model, inputs, mode=mode)


def test_a_window_shorter_than_what_it_gives_is_refused() -> None:
    with pytest.raises(UsageError, match=r"at least hop \+ lookahead = 9"):
        Window(8, 4, 5)


@pytest.mark.parametrize(
    ("end", "start"), [(1, -2), (3, 0), (8, 0), (9, 2), (10, 2), (11, 4)], ids=lambda value: str(value)
)
def test_windows_start_where_all_rates_do(end: int, start: int) -> None:
    assert Windows(frames=8, hop=2, step=2, least=3).start(end) == start


# -- Sequence ----------------------------------------------------------------------------------------------------------


class Backwards(nn.Module):
    """Nothing of it streams: a flip, and final states of a layer that runs both ways."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(4, 3, 2, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y, last = self.rnn(x)
        return y.flip(1), torch.cat([last[-2], last[-1]], -1)


def test_whole_sequences_run_at_once(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Backwards().eval()
    exported = edgeseq.export(model, X, tmp_path / "m.onnx", mode=Sequence())
    assert exported.contract.mode == {"name": "sequence"}
    assert not exported.contract.states
    loaded = load(tmp_path / "m.onnx")
    assert "mode='sequence'" in repr(loaded)
    x = np.random.default_rng(0).standard_normal((2, 9, 4)).astype(np.float32)
    answers = loaded.run(x)
    assert isinstance(answers, dict)
    with torch.no_grad():
        wanted = model(torch.from_numpy(x))
    for got, whole in zip(answers.values(), wanted, strict=True):
        np.testing.assert_allclose(got, whole, atol=1e-6)
    with pytest.raises(UsageError, match=r"takes a whole sequence at once. Call model.run"):
        loaded.stream()
    with pytest.raises(NonFiniteInput):
        loaded.run(x * np.nan)
    with pytest.raises(ShapeError):
        loaded.run(x[:, :0])
    assert replay(tmp_path / "m.onnx").passed


def test_a_broken_sequence_file_fails_its_law(tmp_path: Path) -> None:
    model = Backwards().eval()
    edgeseq.export(model, X, tmp_path / "m.onnx", mode=Sequence())
    with torch.no_grad():
        dict(model.named_parameters())["rnn.weight_hh_l1_reverse"].add_(0.1)
    found = verify(tmp_path / "m.onnx", model)
    assert [check.name for check in found.checks if not check.passed] == ["sequences", "long run"]


def test_a_broken_window_file_fails_its_laws(tmp_path: Path) -> None:
    """The same module, but the contract says another hop: what is verified is the file's own definition."""
    model = BothWays(nn.GRU).eval()
    edgeseq.export(model, X, tmp_path / "m.onnx", mode=Window(8))
    contract = load(tmp_path / "m.onnx").contract
    seal(tmp_path / "m.onnx", replace(contract, mode={**contract.mode, "frames": 7}))
    found = verify(tmp_path / "m.onnx", model)
    assert {check.name for check in found.checks if not check.passed} == {"concatenation", "long run"}


# -- said to people ----------------------------------------------------------------------------------------------------


def test_a_summary_says_how_far_off_it_is() -> None:
    outputs = {"output": {"max_abs": 0.5, "rms": 0.125, "snr_db": 12.0}}
    mode = {"name": "window", "frames": 64, "hop": 8, "lookahead": 0, "step": 1}
    error = {"frames": 300, "rows": 3, "input": "random", "outputs": outputs}
    assert mode_in_words(mode) == "window: frames 64, hop 8, step 1"
    told = error_in_words({**mode, "error": error})
    assert (
        told == "against the model on whole sequences, 300 frames of random input: output max 0.5, rms 0.125, 12.0 dB"
    )
    assert error_in_words(mode) is None
    assert mode_in_words({"name": "exact"}) == "exact"
