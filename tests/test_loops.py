"""Python loops over time: the step is recovered, or the loop is refused and told how to become a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._higher_order_ops.associative_scan import associative_scan
from torch._higher_order_ops.scan import scan

import edgeseq
from edgeseq.errors import CaptureError, EdgeseqError, UsageError
from edgeseq.exporters import explain, export
from edgeseq.testing import check_rule
from tests.models import loops
from tests.rules.row import FRAMES, Called, parameter

Case = tuple[Callable[[], nn.Module], Mapping[str, str], set[str]]

#: Models, their inputs, and what the states are called.
CASES: list[Case] = [
    (loops.GRUCellLoop, {"x": "float32[batch,time,6]"}, {"loop.h"}),
    (loops.LSTMCellTagger, {"tokens": "int64[batch,time]"}, {"lstm.carried", "lstm.carried2"}),
    (loops.StackedCells, {"x": "float32[time,batch,5]"}, {"loop.h", "loop.c", "loop.h2", "loop.c2"}),
    (loops.LayerByLayer, {"x": FRAMES}, {"loop.h", "loop_1.h"}),
    (loops.SelectiveScan, {"x": "float32[batch,time,6]"}, {"conv1d.history", "loop.carried"}),
    (loops.ConvLSTM, {"video": "float32[batch,time,2,5,4]"}, {"loop.h", "loop.c"}),
    (loops.LeakyNeurons, {"x": "float32[time,batch,6]"}, {"loop.mem1", "loop.mem2"}),
    (loops.LeakyIntegrator, {"x": FRAMES}, {"loop.state"}),
    (loops.AttentionDecoder, {"tgt": "float32[batch,time,5]", "memory": "float32[batch,source,6]"}, {"loop.h"}),
    (loops.ScannedGRU, {"x": "float32[batch,time,6]"}, {"loop.h"}),
    (loops.ScannedSSM, {"x": FRAMES}, {"conv1d.history", "loop.h0"}),
    (loops.ParallelLRU, {"x": FRAMES}, {"loop.carried"}),
    (loops.LayerPerFrame, {"x": FRAMES}, {"loop.hidden"}),
    (loops.LastOnly, {"x": FRAMES}, {"loop.hidden"}),
]


@pytest.mark.parametrize(("model", "inputs", "states"), CASES, ids=[case[0].__name__ for case in CASES])
def test_a_loop_streams(model: Callable[[], nn.Module], inputs: Mapping[str, str], states: set[str]) -> None:
    torch.manual_seed(0)
    contract = check_rule(model(), inputs, frames=24)
    assert {state.name for state in contract.states} >= states
    assert contract.chunk.max == contract.chunk.multiple


@pytest.mark.parametrize(
    ("model", "inputs"),
    [
        (loops.WKV, {"x": "float32[batch,time,6]"}),
        (loops.SecondOrder, {"x": "float32[batch,time,3]"}),
        (loops.TeacherShifted, {"words": "int64[batch,time]"}),
        (loops.ScannedGRU, {"x": "float32[batch,time,6]"}),
        (loops.ParallelLRU, {"x": FRAMES}),
        (loops.LayerPerFrame, {"x": FRAMES}),
    ],
)
def test_a_loop_becomes_a_verified_file(
    model: Callable[[], nn.Module], inputs: Mapping[str, str], tmp_path: Path
) -> None:
    """The last update of WKV is dead code, the filter looks two turns back, the last word is never read."""
    torch.manual_seed(0)
    exported = export(model(), inputs, tmp_path / "m.onnx", golden=False)
    assert exported.verification.passed
    assert exported.contract.chunk.max == 1


def accumulated(x: Tensor, turn: Callable[[int, Tensor, Tensor], Tensor]) -> Tensor:
    h, kept = torch.zeros(x.shape[0], 4), []
    for t in range(x.shape[1]):
        h = turn(t, x[:, t], h)
        kept.append(h)
    return torch.stack(kept, 1)


def backwards(_: nn.Module, x: Tensor) -> Tensor:
    kept: list[Tensor] = []
    h = torch.zeros(x.shape[0], 4)
    for t in range(x.shape[1] - 1, -1, -1):
        h = 0.5 * h + x[:, t]
        kept.insert(0, h)
    return torch.stack(kept, 1)


REFUSED: dict[str, tuple[Callable[[Any, Tensor], Tensor], str]] = {
    "another second turn": (
        lambda m, x: accumulated(x, lambda t, f, h: f if t == 1 else h * m.w + f),
        "another number of operations",
    ),
    "a number from t": (lambda m, x: accumulated(x, lambda t, f, h: h * m.w + f / (t + 1)), "depend on the turn"),
    "a late branch": (lambda m, x: accumulated(x, lambda t, f, h: h + f * (2 if t > 30 else 1)), "37 frames"),
    "every other turn": (
        lambda m, x: accumulated(x, lambda t, f, h: h * m.w + f if t % 2 else h + f),
        "another number of operations",
    ),
    "backwards": (backwards, "from the end of time"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_irregular_loop_is_refused_and_shown_its_step(name: str) -> None:
    function, reason = REFUSED[name]
    with pytest.raises(CaptureError, match=reason) as refused:
        check_rule(Called(function, {"w": parameter(4)()}), {"x": FRAMES})
    text = str(refused.value)
    assert "test_loops.py:" in text
    assert "def forward(self, x, h):  # one frame, and what is carried" in text
    assert "states={'h': 'output.1'}" in text


def stopped_early(m: Any, x: Tensor) -> Tensor:
    h, kept = x.new_zeros(x.shape[0], 4), []
    for t in range(x.shape[1]):
        h = h * m.w + x[:, t]
        kept.append(h)
        if h.sum() > 100:
            break
    return torch.stack(kept, 1)


def chosen_by_a_value(m: Any, x: Tensor) -> Tensor:
    return accumulated(x, lambda t, f, h: h * m.w * float(f[0, 0]) + f)


@pytest.mark.parametrize("function", [stopped_early, chosen_by_a_value])
def test_a_loop_steered_by_data_says_so(function: Callable[[Any, Tensor], Tensor]) -> None:
    """It was called a loop that fixes a size, which it would be without the branch."""
    with pytest.raises(CaptureError, match=r"the data decides what is run at test_loops\.py:") as refused:
        check_rule(Called(function, {"w": parameter(4)()}), {"x": FRAMES})
    assert "Use torch.where in place of the branch; let the caller look" in str(refused.value)


SCANS: dict[str, tuple[Callable[[Any, Tensor], Any], str]] = {
    "reverse": (
        lambda m, x: scan(lambda h, f: (h * m.w + f, h + f), x.new_zeros(x.shape[0], 4), x, dim=1, reverse=True)[1],
        "scans from the end of time to its beginning",
    ),
    "over weights": (
        lambda m, x: scan(lambda h, w: (h * w, h.new_zeros(1)), x, m.w)[0],
        "what it calls is not looked into, and frames go in",
    ),
    "pointwise mode": (lambda _, x: associative_scan(torch.add, x, dim=1), "Write combine_mode='generic'"),
    "a tensor made inside": (
        lambda m, x: scan(lambda h, f: (h * torch.tensor(0.5) + f, f + 1), x.new_zeros(x.shape[0], 4), x, dim=1)[1],
        "needs outside of it, as buffers",
    ),
}


@pytest.mark.parametrize("name", SCANS)
def test_a_scan_that_cannot_stream_says_why(name: str) -> None:
    function, reason = SCANS[name]
    with pytest.raises(EdgeseqError, match=reason):
        check_rule(Called(function, {"w": parameter(4)()}), {"x": FRAMES})


def test_a_scan_over_conditioning_belongs_to_the_prologue() -> None:
    """Its own form is kept: the prologue runs it once."""

    def decoder(m: Any, x: Tensor, y: Tensor) -> Any:
        h, _ = scan(lambda h, f: (torch.tanh(h * m.w + f), f + 1), y.new_zeros(y.shape[0], 4), y, dim=1)
        return x * h[:, None]

    model = Called(decoder, {"w": parameter(4)()})
    contract = check_rule(model, {"x": FRAMES, "y": "float32[batch,source,4]"})
    assert contract.states == ()


class Policy(nn.Module):
    """A recurrent policy that is already a step: logits, and the next state."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.rnn, self.head = nn.Linear(6, 5), nn.GRUCell(5, 8), nn.Linear(8, 3)

    def forward(self, obs: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = self.rnn(torch.relu(self.body(obs)), h)
        return self.head(h), h


class Denoiser(nn.Module):
    """Takes any number of frames and a state of two parts."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(6, 4, batch_first=True)

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> dict[str, Any]:
        y, state = self.lstm(x, state)
        return {"mask": torch.sigmoid(y), "state": state}


def test_a_module_that_is_a_step_takes_frames_and_keeps_its_state(tmp_path: Path) -> None:
    torch.manual_seed(0)
    policy = Policy().eval()
    inputs, start = {"obs": "float32[batch,6]", "h": "float32[batch,8]"}, torch.randn(8)
    path = tmp_path / "m.onnx"
    exported = export(policy, inputs, path, states={"h": ("output.1", start)}, golden=False)
    assert [port.name for port in exported.contract.ports] == ["obs", "output"]
    stream, h = edgeseq.load(path).stream(batch=2), start.expand(2, 8)
    frames = torch.randn(5, 2, 6)
    for frame in frames:
        wanted, h = policy(frame, h)
        got = stream.step(frame[:, None].numpy())
        torch.testing.assert_close(torch.from_numpy(got)[:, 0], wanted.detach(), atol=1e-5, rtol=1e-5)


def test_a_step_of_several_frames_keeps_its_chunks() -> None:
    inputs = {"x": "float32[batch,time,6]", "state": ("float32[1,batch,4]", "float32[1,batch,4]")}
    contract = explain(Denoiser(), inputs, states={"state": "state"})
    assert [port.name for port in contract.ports] == ["x", "output"]
    assert contract.chunk.max is None
    assert [state.kind for state in contract.states] == ["recurrent", "recurrent"]
    with pytest.raises(UsageError, match="does not go on from its states"):
        explain(Denoiser(), inputs, states={"state.0": "state.1", "state.1": "state.0"})


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ({"hidden": "output.1"}, "wanted one of obs, h"),
        ({"h": "h_out"}, "wanted one of output.0, output.1"),
        ({"h": "output.0"}, r"cannot feed state h \(got \[2, 3\], wanted \[2, 8\]\)"),
    ],
)
def test_states_that_do_not_fit_are_named(states: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        explain(Policy(), {"obs": "float32[batch,6]", "h": "float32[batch,8]"}, states=states)


def test_a_pooling_window_over_all_of_time_is_not_called_a_loop() -> None:
    pooled = Called(lambda _, x: torch.nn.functional.avg_pool1d(x.mT, int(x.shape[1])), {})
    with pytest.raises(CaptureError, match="a pooling window as long as the sequence does") as refused:
        check_rule(pooled, {"x": FRAMES})
    assert "turns differ" not in str(refused.value)
