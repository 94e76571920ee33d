"""The yardstick: how far a stream may be off, how far it is followed, and that it sees what it must see."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edgeseq.errors import UsageError
from edgeseq.exporters import Verification, export, verify
from edgeseq.exporters.verification import horizon
from edgeseq.exporters.verification.yardstick import Yardstick, amplifies

SPEC = {"x": "float32[batch,time,4]"}


def broken(found: Verification) -> set[str]:
    return {check.name for check in found.checks if not check.passed}


def test_four_times_the_modules_own_noise_is_allowed_and_no_more() -> None:
    exact = np.ones((1, 5, 1))
    plain = (exact + 1e-5).astype(np.float32)
    assert Yardstick().compare((exact + 3.5e-5).astype(np.float32), exact, plain, 1).place is None
    found = Yardstick().compare((exact + 4.5e-5).astype(np.float32), exact, plain, 1)
    assert found.place == (0, 0, 0)
    assert found.distance == pytest.approx(4.5e-5, rel=0.01)
    assert found.allowed == pytest.approx(4e-5, rel=0.01)


def test_noise_at_a_step_is_that_of_the_frames_behind_it_though_a_run_ends_before() -> None:
    """A short run of a trained byte model was refused: torch's first two frames were right by luck."""
    exact = np.ones((1, 40, 1))
    late = (exact + np.where(np.arange(40) < 10, 1e-6, 1e-5)[None, :, None]).astype(np.float32)
    streamed = (exact + 2e-5).astype(np.float32)[:, :2]
    short, longer = (exact[:, :2], late[:, :2], 1), (exact, late)
    assert Yardstick().compare(streamed, *short).place is not None
    assert Yardstick().compare(streamed, *short, longer).place is None
    far = (exact[:, :25], np.where(np.arange(25) < 20, exact[:, :25, 0] + 1e-6, 1.1)[..., None].astype(np.float32))
    assert Yardstick().compare(streamed, *short, far).place is not None, "noise late in a run excuses nothing early"


def test_a_module_that_hits_its_float64_self_leaves_one_unit_of_rounding() -> None:
    exact = np.full((1, 3), 8.0)
    unit = np.finfo(np.float32).eps * 8
    assert Yardstick().compare(exact + 3.9 * unit, exact, exact.astype(np.float32)).place is None
    assert Yardstick().compare(exact + 4.1 * unit, exact, exact.astype(np.float32)).place is not None


def test_noise_late_in_the_run_excuses_nothing_early() -> None:
    """100 frames of which the last forty are noisy: a stream that is as far off from frame 10 on is wrong there."""
    exact = np.ones((1, 100, 1))
    plain = exact.astype(np.float32)
    plain[:, 60:] += np.float32(1e-3)
    assert Yardstick().compare(plain, exact, plain, 1).place is None
    early = exact.astype(np.float32)
    early[:, 10:] += np.float32(1e-3)
    assert Yardstick().compare(early, exact, plain, 1).place == (0, 10, 0)


def test_nan_and_infinity_are_only_equal_to_themselves() -> None:
    exact = np.array([1.0, np.inf, np.nan])
    plain = exact.astype(np.float32)
    assert Yardstick().compare(plain, exact, plain).place is None
    for index, value in ((0, np.nan), (0, np.inf), (1, -np.inf), (1, 1.0), (2, 1.0)):
        wrong = plain.copy()
        wrong[index] = value
        assert Yardstick(atol=1e9).compare(wrong, exact, plain).place == (index,)


def test_a_lucky_end_is_judged_by_the_noise_of_its_history() -> None:
    """A module that is off by 1e-6 after each of twenty lengths, but hits its float64 self after the last two."""
    exact = np.ones((20, 3, 1))
    plain = (exact + 1e-6).astype(np.float32)
    plain[18:] = 1
    for off, wrong in ((3.5e-6, None), (4.5e-6, (18, 0, 0))):
        ends = (exact[18:] + off).astype(np.float32)
        assert Yardstick().compare_ends(ends, exact, plain).place == wrong
        assert Yardstick().compare(ends, exact[18:], plain[18:], 0).place == (0, 0, 0)


@pytest.mark.parametrize(("lengths", "units"), [(2, 8), (16, 8), (17, 1)])
def test_few_lengths_are_judged_as_a_single_value_is(lengths: int, units: int) -> None:
    exact = np.ones((lengths, 3, 1))
    plain = exact.astype(np.float32)
    step = units * float(np.finfo(np.float32).eps)
    assert Yardstick().compare_ends(exact[-1:] + 3.9 * step, exact, plain).place is None
    assert Yardstick().compare_ends(exact[-1:] + 4.1 * step, exact, plain).place == (lengths - 1, 0, 0)


def test_few_lengths_of_an_amplifying_module_have_no_less_than_it() -> None:
    exact = np.ones((2, 1))
    found = Yardstick().amplifying().compare_ends(exact[-1:], exact, exact.astype(np.float32))
    assert found.allowed == pytest.approx(4 * 32 * np.finfo(np.float32).eps)


class Two(nn.Module):
    """An LSTM and a backward one that sees ``frames`` frames, its own included; None: all that come."""

    def __init__(self, frames: int | None, weight: float) -> None:
        super().__init__()
        self.frames = frames
        self.lstm = nn.LSTM(4, 8, batch_first=True)
        self.back = nn.LSTM(4, 8, batch_first=True)
        with torch.no_grad():
            self.back.state_dict()["weight_hh_l0"].mul_(weight)
            self.back.state_dict()["bias_ih_l0"][
                8:16
            ] = -40.0  # a closed forget gate: what comes later is felt through h alone

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.frames is None:
            back = self.back(x.flip(1))[0].flip(1)
        else:
            back = self.back(x.reshape(-1, 1, 4))[0].reshape(x.shape[0], -1, 8)
        return torch.cat([self.lstm(x)[0], back], -1)


@pytest.mark.parametrize(("weight", "seen"), [(1e-4, True), (1e-9, False)])
def test_a_bidirectional_lstm_that_peeks_one_frame_is_seen_beyond_float_noise(
    tmp_path: Path, weight: float, seen: bool
) -> None:
    """The file is that of a module blind to the next frame; the other feels one frame, more than rounding or less."""
    torch.manual_seed(0)
    blind = Two(1, weight)
    bidirectional = Two(None, weight)
    bidirectional.load_state_dict(blind.state_dict())
    path = export(blind, SPEC, tmp_path / "m.onnx").path
    x = torch.randn(1, 30, 4)
    with torch.no_grad():
        apart = float((copy.deepcopy(blind).double()(x.double()) - bidirectional.double()(x.double())).abs().max())
    assert apart < 1e-4
    assert (apart > 1e-6) is seen
    assert broken(verify(path, bidirectional.float())) == ({"concatenation", "long run"} if seen else set())


class Chaotic(nn.Module):
    """A recurrent layer with weights nine times too large, and an output of every frame and of the last."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.RNN(4, 32, batch_first=True)
        self.head = nn.Linear(32, 4)
        with torch.no_grad():
            self.rnn.state_dict()["weight_hh_l0"].mul_(9)

    def forward(self, x: torch.Tensor) -> Any:
        y, h = self.rnn(x)
        return self.head(y), h


def test_a_model_that_amplifies_rounding_is_compared_in_windows(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Chaotic()
    x = torch.randn(1, 300, 4)
    with torch.no_grad():
        exact, plain = copy.deepcopy(model).double()(x.double())[0].numpy(), model(x)[0].numpy()
    assert np.abs(exact - plain).max() > 0.1
    assert amplifies(exact, plain, 1)
    exported = export(model, SPEC, tmp_path / "m.onnx")
    far = exported.verification.settings["horizon"]
    assert far["frames"] == 300
    assert 0 < far["windows"]["whole"] < 60
    assert far["windows"]["frames"][0] == 16
    assert "the model amplifies rounding: from frame" in exported.verification.checks[-1].detail


def test_a_wrong_weight_is_seen_in_the_windows_too(tmp_path: Path) -> None:
    """A difference that only shows late: from frame 200 on, where the whole can no longer be compared."""

    class Late(Chaotic):
        def forward(self, x: torch.Tensor) -> Any:
            y, h = self.rnn(x)
            late = torch.arange(x.shape[1], device=x.device)[:, None] >= 200
            return self.head(y) + self.extra * late, h

        extra = 0.0

    torch.manual_seed(0)
    model = Late()
    path = export(model, SPEC, tmp_path / "m.onnx").path
    model.extra = 1e-4
    found = verify(path, model)
    assert broken(found) == {"long run"}
    assert "windows of 16 frames: off by 0.0001, allowed" in found.checks[-1].detail


def test_a_steady_model_does_not_amplify(tmp_path: Path) -> None:
    exported = export(nn.GRU(4, 8, batch_first=True), {"input": SPEC["x"]}, tmp_path / "m.onnx")
    assert exported.verification.settings["horizon"] == {"frames": 300, "limit": "300 steps"}


@pytest.mark.long_run
def test_a_recurrent_model_is_followed_for_ten_thousand_steps(tmp_path: Path) -> None:
    exported = export(nn.GRU(4, 8, batch_first=True), {"input": SPEC["x"]}, tmp_path / "m.onnx")
    assert exported.verification.settings["horizon"] == {"frames": 10_000, "limit": "10,000 steps"}
    assert "10,000 frames" in exported.verification.checks[-1].detail


class Attending(nn.Module):
    """Attention with its scores written out: as much memory as the square of the frames."""

    def __init__(self, rows: int | None = None) -> None:
        super().__init__()
        self.table = nn.Embedding(rows, 8) if rows else None
        self.qkv = nn.Linear(8, 24)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.table is not None:
            x = x + self.table(torch.arange(x.shape[1], device=x.device))
        q, k, v = self.qkv(x).chunk(3, -1)
        return nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)


def test_a_models_own_limit_bounds_the_horizon(tmp_path: Path) -> None:
    exported = export(Attending(100), {"x": "float32[batch,time,8]"}, tmp_path / "m.onnx")
    assert exported.verification.settings["horizon"] == {"frames": 100, "limit": "max_context"}


@pytest.mark.parametrize(("name", "value", "limit"), [("_SECONDS", 1e-2, "time"), ("_BYTES", 40_000, "memory")])
def test_time_and_memory_bound_the_horizon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: float, limit: str
) -> None:
    monkeypatch.setattr(horizon, name, value)
    monkeypatch.setattr(horizon, "STEPS", 10_000)
    exported = export(nn.GRU(4, 8, batch_first=True), {"input": SPEC["x"]}, tmp_path / "m.onnx")
    far = exported.verification.settings["horizon"]
    assert far["limit"] == limit
    assert 61 <= far["frames"] < 1_000


def test_what_a_quadratic_costs_is_foreseen() -> None:
    """A result of 8 t^2 bytes, read and written: 2^29 bytes are reached at t = 5,793."""

    def run(frames: int) -> torch.Tensor:
        torch.zeros(100, 100)
        return torch.ones(frames, frames, dtype=torch.float64)

    counts = [horizon._count(run, frames) for frames in (64, 128, 256)]
    assert horizon.largest([64, 128, 256], counts)(5793) == pytest.approx(2**29, rel=0.001)
    seconds = horizon.seconds([64, 128, 256], counts)
    assert seconds(10_000) / seconds(5_000) == pytest.approx(4, rel=0.1)
    assert horizon._longest(lambda frames: frames**2, 50.0, 1, 100) == 7


class Offset(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(20, 8)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return torch.cumsum(self.table(ids + 5), -1)


TOKENS = {"ids": "int64[batch,time]"}


def test_integers_that_cannot_be_read_off_the_model_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError,
        match=r"^which integers ids takes cannot be read off the model: from 0 to 100 were tried: index out of range "
        r"in self\. Give real inputs: calibration=\[\{'ids': array\}\], or --example file\.py:function\.$",
    ):
        export(Offset(), TOKENS, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []
    samples = [{"ids": np.random.default_rng(0).integers(0, 15, (2, 40))}]
    exported = export(Offset(), TOKENS, tmp_path / "m.onnx", calibration=iter(samples))
    assert exported.verification.settings["inputs"] == "calibration for ids"
    assert verify(exported.path, Offset(), calibration=samples).passed is False


def test_calibration_beside_its_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        export(Offset(), TOKENS, tmp_path / "m.onnx", calibration=[{"ids": np.full((1, 9), 99)}])
    assert str(caught.value).startswith(
        "the module does not take the calibration for ids: index out of range in self. Give inputs that it was made for"
    )


def test_a_module_of_nan_is_refused(tmp_path: Path) -> None:
    model = nn.Linear(4, 4)
    model.bias.data[:] = torch.nan
    with pytest.raises(UsageError, match=r"^bias holds NaN"):
        export(model, {"input": SPEC["x"]}, tmp_path / "m.onnx")
    model.bias.data[:] = torch.inf
    with pytest.raises(UsageError, match=r"^output is not finite anywhere: the module gives only NaN or infinity"):
        export(model, {"input": SPEC["x"]}, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_context_below_the_shortest_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        export(nn.Conv1d(2, 2, 5), {"input": "float32[batch,2,time]"}, tmp_path / "m.onnx", max_context=3)
    assert str(caught.value) == "max_context is less than the shortest input of the model (got 3, wanted at least 5)."


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (
            {"ids": np.zeros((1, 4), np.float32)},
            "got float32[1,4], wanted int64[batch,time]",
        ),
        (
            {"ids": np.zeros((4,), np.int64)},
            "got int64[4], wanted int64[batch,time]",
        ),
        ({"id": np.zeros((1, 4), np.int64)}, "calibration names 'id' (wanted one of ids)."),
    ],
)
def test_calibration_that_does_not_fit_is_refused(tmp_path: Path, sample: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        export(Offset(), TOKENS, tmp_path / "m.onnx", calibration=[sample])
    assert message in str(caught.value)


@pytest.mark.parametrize("rows", [2, 8])
def test_a_context_of_a_few_frames_is_followed_to_its_end(tmp_path: Path, rows: int) -> None:
    """With an output of every frame and one of all: shorter than any length that verification would choose."""

    class Both(Attending):
        def forward(self, x: torch.Tensor) -> Any:
            y = super().forward(x)
            return y, y.mean(1)

    exported = export(Both(rows), {"x": "float32[batch,time,8]"}, tmp_path / "m.onnx")
    assert exported.verification.settings["horizon"] == {"frames": rows, "limit": "max_context"}


@pytest.mark.parametrize("scale", [10, 20, 40])
@pytest.mark.parametrize("seed", range(3))
def test_a_strongly_amplifying_model_excuses_nothing(scale: float, seed: int) -> None:
    """However soon the module's own runs part, a stream of zeros is wrong in its first frames already."""
    torch.manual_seed(seed)
    rnn = nn.RNN(8, 64, batch_first=True)
    rnn.state_dict()["weight_hh_l0"].mul_(scale)
    x = torch.randn(1, 500, 8)
    with torch.no_grad():
        plain, exact = rnn(x)[0].numpy(), copy.deepcopy(rnn).double()(x.double())[0].numpy()
    assert amplifies(exact, plain, 1)
    found = Yardstick().amplifying().compare(np.zeros_like(plain), exact, plain, 1)
    assert found.place is not None
    assert found.allowed < 1e-3


class LastOf(nn.Module):
    """The last state alone of a recurrent layer, so large weights that it is chaotic."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.RNN(4, 32, batch_first=True)
        self.rnn.state_dict()["weight_hh_l0"].mul_(9)

    def forward(self, x: torch.Tensor) -> Any:
        return self.rnn(x)[1]


def test_a_value_without_time_shows_amplification_too(tmp_path: Path) -> None:
    torch.manual_seed(0)
    exported = export(LastOf(), SPEC, tmp_path / "m.onnx")
    assert "windows" in exported.verification.settings["horizon"]
    assert exported.verification.checks[-1].allowed < 1e-3


class Growing(nn.Module):
    """A linear recurrence that leaves the range of float32 within a hundred frames."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.RNN(4, 4, nonlinearity="relu", batch_first=True)
        with torch.no_grad():
            self.rnn.state_dict()["weight_hh_l0"].copy_(6 * torch.eye(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.rnn(x)[0]  # type: ignore[no-any-return]


def test_a_model_that_overflows_is_followed_as_far_as_float32_goes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    far = export(Growing(), SPEC, tmp_path / "m.onnx").verification.settings["horizon"]
    assert far["limit"] == "the range of float32"
    assert 30 < far["frames"] < 60


def test_a_value_that_overflows_is_followed_as_far_as_float32_goes(tmp_path: Path) -> None:
    class Last(Growing):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x)[:, -1]

    torch.manual_seed(0)
    exported = export(Last(), SPEC, tmp_path / "m.onnx")
    assert exported.verification.settings["horizon"] == {"frames": 37, "limit": "the range of float32"}


@pytest.mark.long_run
def test_a_mean_of_ten_thousand_frames_is_not_held_to_the_luck_of_one_value(tmp_path: Path) -> None:
    """Refused once: one number, of which sixteen terms cancel, off by eleven units of rounding."""

    class Scored(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru, self.head = nn.GRU(8, 16, batch_first=True), nn.Linear(16, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.gru(x)[0].mean(1))  # type: ignore[no-any-return]

    torch.manual_seed(4)
    assert export(Scored(), {"x": "float32[batch,time,8]"}, tmp_path / "m.onnx").verification.passed


def test_what_flush_gives_is_not_held_to_the_luck_of_two_lengths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused once: twelve logits of a mean, at its two flushed lengths off by 1.01 times what was allowed."""
    from benchmarks.tasks.catalogue import TASKS
    from edgeseq.verification.streams import Runs

    torch.manual_seed(0)
    task = TASKS["speech"]
    model = task.make("rnn").eval()
    path = export(model, task.inputs, tmp_path / "m.onnx", golden=False).path
    whole = Runs.whole
    monkeypatch.setattr(
        Runs,
        "whole",
        lambda *given, **named: {name: found + np.float32(1e-6) for name, found in whole(*given, **named).items()},
    )
    (found,) = (check for check in verify(path, model).checks if check.name == "prefix")
    assert not found.passed
    assert "flushed after 60 frames: off by" in found.detail


def test_an_overflow_late_hides_no_difference_early() -> None:
    exact = np.ones((1, 200, 1))
    plain = exact.astype(np.float32)
    plain[:, 150:] = np.inf
    streamed = plain.copy()
    streamed[:, 5] = 7
    assert Yardstick().compare(streamed, exact, plain, 1).place == (0, 5, 0)


class Folded(nn.Module):
    """Four rows of output for each of the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(2, 4, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.gru(x.reshape(x.shape[0], -1, 4, 2).transpose(1, 2).reshape(x.shape[0] * 4, -1, 2))[0]  # type: ignore[no-any-return]


def test_rows_of_a_folded_output_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose second row of four feels its neighbour is caught though no axis is called batch."""
    from edgeseq.verification.streams import Runs

    exported = export(Folded(), {"x": "float32[batch,time,8]"}, tmp_path / "m.onnx")
    assert exported.contract.with_role("output")[0].shape == ("4*batch", "time", 4)
    taken = Runs.whole

    def leaking(self: Any, inputs: Any, chunks: Any, **more: Any) -> Any:
        found = taken(self, inputs, chunks, **more)
        return {name: value + 1e-6 * inputs["x"].max() for name, value in found.items()}

    monkeypatch.setattr(Runs, "whole", leaking)
    assert "neighbours" in broken(verify(exported.path, Folded()))
