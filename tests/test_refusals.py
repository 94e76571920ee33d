"""What is refused: the op, the module, the line, the reason and the remedy stand in the text, and no file is left."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import edgeseq
from edgeseq.errors import CaptureError, EdgeseqError, NotStreamable, UsageError

X = {"x": "float32[batch,time,8]"}
CHANNELS = {"x": "float32[batch,8,time]"}


# -- models ------------------------------------------------------------------------------------------------------------
# The line that must be named carries the comment "refused here".


class BidirectionalTagger(nn.Module):
    def __init__(self, cell: type[nn.LSTM] | type[nn.GRU] = nn.LSTM) -> None:
        super().__init__()
        self.encoder = nn.ModuleDict({"rnn": cell(8, 6, batch_first=True, bidirectional=True)})
        self.out = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.encoder["rnn"](x)  # refused here
        return self.out(y)  # type: ignore[no-any-return]


class FastForgetting(BidirectionalTagger):
    """Its backward half forgets everything within a frame: the future leaks less than float noise."""

    def __init__(self) -> None:
        super().__init__()
        with torch.no_grad():
            for name, parameter in self.encoder["rnn"].named_parameters():
                if "weight_hh" in name:
                    parameter.zero_()
                elif name.startswith("bias_ih"):
                    parameter[6:12] = -60.0


class Reverse(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.flip(x, dims=[1])  # refused here


class Backwards(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.reverse = Reverse()
        self.gru = nn.GRU(8, 6, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.gru(self.reverse(x))[0]  # type: ignore[no-any-return]


class FullAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(8, 24)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        return F.scaled_dot_product_attention(q, k, v)  # refused here


class HandwrittenAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(8, 8) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.query(x), self.key(x), self.value(x)
        scores = q @ k.transpose(-2, -1) / 8**0.5
        weights = torch.softmax(scores, dim=-1)  # refused here
        return weights @ v  # type: ignore[no-any-return]


class MultiheadLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x, need_weights=False)[0]  # type: ignore[no-any-return]  # refused here


class InstanceNormed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm1d(8, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x)  # type: ignore[no-any-return]  # refused here


class GroupNormed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv1d(8, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)  # type: ignore[no-any-return]  # refused here


class MeanRemoved(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(dim=1, keepdim=True)  # refused here


class Standardized(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x / x.std(dim=1, keepdim=True)  # refused here


class SqueezeExcite(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Sequential(nn.Linear(8, 2), nn.ReLU(), nn.Linear(2, 8), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        scale: Tensor = self.gate(x.mean(-1))
        return x * scale.unsqueeze(-1)  # refused here


class UnstoredStatistics(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bn = nn.BatchNorm1d(8, track_running_stats=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(x)  # type: ignore[no-any-return]  # refused here


class DividedByLength(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x / x.size(1)  # refused here


class PositionsFromTheEnd(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(200, 8)

    def forward(self, x: Tensor) -> Tensor:
        left = torch.arange(x.size(1) - 1, -1, -1)  # refused here
        places: Tensor = self.table(left)
        return x + places


class SoftmaxOverTime(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.softmax(x, dim=1)  # refused here


class Rolled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.roll(x, 1, dims=1)  # refused here


class SortedOverTime(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.sort(x, dim=1).values  # refused here


class CircularConv(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(8, 4, 3, padding=1, padding_mode="circular")

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)  # type: ignore[no-any-return]  # refused here


class Noisy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 0.1 * torch.randn_like(x)  # refused here


class AlwaysDropping(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, 0.5, training=True)  # refused here


class Packed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 6, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        lengths = torch.full((x.size(0),), x.size(1), dtype=torch.int64)
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)  # refused here
        y, _ = self.lstm(packed)
        return pad_packed_sequence(y, batch_first=True)[0]


class Counting(nn.Module):
    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1  # refused here
        return x * self.calls


class Remembering(nn.Module):
    """Keeps its hidden state in itself from one call to the next."""

    hidden: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(8, 6, batch_first=True)
        self.register_buffer("hidden", torch.zeros(1, 1, 6))

    def forward(self, x: Tensor) -> Tensor:
        y, hidden = self.gru(x, self.hidden.expand(1, x.size(0), 6).contiguous())
        self.hidden.copy_(hidden[:, :1])  # refused here
        return y  # type: ignore[no-any-return]


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        if x.sum() > 0:  # refused here
            return x
        return -x


class Reading(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        loudest = x.abs().max().item()  # refused here
        return x / loudest


class Looping(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(8, 6)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros(x.size(0), 6)
        outputs = []
        for t in range(x.size(1)):  # refused here
            h = self.cell(x[:, t] / (t + 1), h)
            outputs.append(h)
        return torch.stack(outputs, dim=1)


class MixesTime(nn.Module):
    """An MLP mixer: a linear layer over a fixed number of frames."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(20, 20)

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(x)  # type: ignore[no-any-return]  # refused here


class OverFeatures(nn.Module):
    """Everything that is refused over time, over the axis of bands inside each frame: it mixes no frames."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(6, 3, batch_first=True, bidirectional=True)
        self.norm = nn.InstanceNorm1d(5, affine=True)
        self.table = nn.Parameter(torch.randn(5, 6))

    def forward(self, x: Tensor) -> Tensor:
        b, t, f, c = x.shape
        h: Tensor = self.rnn(x.reshape(b * t, f, c))[0]
        h = self.norm(h).view(b, t, f, c)
        h = h + F.scaled_dot_product_attention(h, h, h)
        h = h.flip(2) + h.roll(1, dims=-1) + h.sort(dim=2).values
        h = h - h.mean(dim=(2, 3), keepdim=True) + h[:, :, :1] + self.table
        return h * torch.softmax(h, dim=2) / h.std(dim=-1, keepdim=True)


# -- the table ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Refused:
    """A model that must be refused: its op and module, and words of the reason and of the remedy."""

    id: str
    make: Callable[[], nn.Module]
    op: str
    why: str
    do: str
    module: str = "the model itself"
    inputs: Mapping[str, Any] = field(default_factory=lambda: X)


def bidirectional_gru() -> nn.Module:
    return BidirectionalTagger(nn.GRU)


STREAM = (
    Refused("bidirectional-lstm", BidirectionalTagger, "aten.lstm", "bidirectional", "unidirectional", "encoder.rnn"),
    Refused("bidirectional-gru", bidirectional_gru, "aten.gru", "bidirectional", "unidirectional", "encoder.rnn"),
    Refused("bidirectional-forgetting", FastForgetting, "aten.lstm", "bidirectional", "unidirectional", "encoder.rnn"),
    Refused("flip", Backwards, "aten.flip", "flip", "drop the flip", "reverse"),
    Refused("attention", FullAttention, "aten.scaled_dot_product_attention", "not causal", "is_causal=True"),
    Refused("attention-by-hand", HandwrittenAttention, "aten.softmax", "not causal", "is_causal=True"),
    Refused(
        "attention-layer",
        MultiheadLayer,
        "aten.scaled_dot_product_attention",
        "not causal",
        "is_causal=True",
        "attention",
    ),
    Refused("instance-norm", InstanceNormed, "aten.instance_norm", "over all time", "features", "norm", CHANNELS),
    Refused("group-norm", GroupNormed, "aten.group_norm", "over all time", "features", "body.1", CHANNELS),
    Refused("mean-removed", MeanRemoved, "aten.sub", "statistic over all time", "running statistic"),
    Refused("standardized", Standardized, "aten.div", "statistic over all time", "running statistic"),
    Refused("squeeze-excite", SqueezeExcite, "aten.mul", "statistic over all time", "running", inputs=CHANNELS),
    Refused("no-stored-statistics", UnstoredStatistics, "aten.batch_norm", "over all time", "running", "bn", CHANNELS),
    Refused("length-as-number", DividedByLength, "aten.div", "the length of the whole sequence (time)", "so far"),
    Refused("positions-from-the-end", PositionsFromTheEnd, "aten.arange", "end of the sequence (time)", "its start"),
    Refused("softmax-over-time", SoftmaxOverTime, "aten.softmax", "over all time", "features"),
    Refused("roll", Rolled, "aten.roll", "end of time", "slice"),
    Refused("sort", SortedOverTime, "aten.sort", "over all time", "features"),
    Refused("circular-padding", CircularConv, "aten.pad", "end of time to its start", "a constant", "conv", CHANNELS),
    Refused("random", Noisy, "aten.randn_like", "random numbers", "outside the model"),
    Refused("dropout-in-eval", AlwaysDropping, "aten.dropout", "random numbers", "outside the model"),
    Refused("reads-a-value", Reading, "aten.item", "read from the data", "tensors", inputs={"x": "float32[1,time,4]"}),
    Refused("over-rows", Reading, "aten.max", "over all rows of a batch", "a fixed size of one"),
)
CAPTURE: tuple[tuple[Refused, type[EdgeseqError]], ...] = (
    (Refused("packed", Packed, "a packed sequence", "orders frames by length", "padded tensors"), NotStreamable),
    (Refused("writes-a-buffer", Counting, "'calls'", "keeps state in itself", "as an argument"), CaptureError),
    (Refused("remembers", Remembering, "'hidden'", "keeps state in itself", "as an argument"), CaptureError),
    (Refused("branch-on-data", Branching, "branch", "when it is exported", "torch.where"), CaptureError),
    (Refused("loop-over-time", Looping, "a Python loop over time", "depend on the turn", "states="), CaptureError),
    (Refused("mixes-time", MixesTime, "time", "20", "any number of frames", inputs=CHANNELS), CaptureError),
)


def refused_line(model: nn.Module) -> str:
    """``test_refusals.py:LINE`` of the comment in the model's source, or in that of one of its parts."""
    for cls in (cls for part in model.modules() for cls in type(part).__mro__ if cls.__module__ == __name__):
        lines, first = inspect.getsourcelines(cls)
        for number, line in enumerate(lines, first):
            if "# refused here" in line:
                return f"{Path(__file__).name}:{number}"
    raise AssertionError(f"no line of {type(model).__name__} says that it is refused")


def refusal(model: nn.Module, folder: Path, error: type[EdgeseqError], **arguments: Any) -> EdgeseqError:
    """What export says to the model, after a look at the folder: no file, no scratch file."""
    path = arguments.pop("path", folder / "model.onnx")
    with pytest.raises(error) as caught:
        edgeseq.export(model, path=path, **arguments)
    assert list(folder.iterdir()) == []
    return caught.value


# -- models that are refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", STREAM, ids=lambda row: row.id)
def test_refused_by_the_rules(row: Refused, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = row.make()
    error = refusal(model, tmp_path, NotStreamable, inputs=row.inputs)
    assert str(error).startswith(f"cannot stream {row.op} at {row.module} ({refused_line(model)}, axis time): ")
    assert row.why in (error.why or "")
    assert row.do in (error.do or "")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("row", "kind"), [pytest.param(row, kind, id=row.id) for row, kind in CAPTURE])
def test_refused_at_capture(
    row: Refused, kind: type[EdgeseqError], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = row.make()
    error = refusal(model, tmp_path, kind, inputs=row.inputs)
    assert type(error) is kind
    assert f" at {refused_line(model)}: " in str(error)
    assert row.op in error.what
    assert row.why in (error.why or "")
    assert row.do in (error.do or "")
    assert capfd.readouterr() == ("", "")


def test_no_message_shows_machinery(tmp_path: Path) -> None:
    """Symbols of the tracer and paths of this machine help nobody."""
    for row in (*STREAM, *(row for row, _ in CAPTURE)):
        text = str(refusal(row.make(), tmp_path, EdgeseqError, inputs=row.inputs))
        text = text.partition("make it a step:\n")[0]  # the three lines that follow are code
        assert not re.search(r"\bs\d+\b|\bu\d+\b|Sym(Int|Float|Bool)|/|\n|(?<!\.)\.\.(?!\.)", text), text


def test_the_same_ops_over_features_stream(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = OverFeatures()
    exported = edgeseq.export(model, inputs={"x": "float32[batch,time,5,6]"}, path=tmp_path / "model.onnx")
    assert exported.verification.passed
    assert exported.contract.delay == 0
    assert exported.contract.states == ()
    x = np.random.default_rng(0).standard_normal((2, 17, 5, 6)).astype(np.float32)
    stream = edgeseq.load(exported.path).stream(batch=2)
    found = np.concatenate([stream.step(x[:, :1]), stream.step(x[:, 1:9]), stream.step(x[:, 9:]), stream.flush()], 1)
    with torch.no_grad():
        wanted = model.eval()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_a_forgetting_backward_half_leaks_less_than_noise() -> None:
    """The check is on structure: a comparison of numbers would let this one pass."""
    torch.manual_seed(0)
    model = FastForgetting().eval()
    x = torch.randn(1, 30, 8)
    other = x.clone()
    other[:, 20:] = torch.randn(1, 10, 8)
    with torch.no_grad():
        assert torch.equal(model(x)[:, :20], model(other)[:, :20])


def test_a_refusal_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"an older file")
    with pytest.raises(NotStreamable, match="flip"):
        edgeseq.export(Backwards(), inputs=X, path=path)
    assert path.read_bytes() == b"an older file"
    assert list(tmp_path.iterdir()) == [path]


def test_a_refusal_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    model = Backwards().train()
    model.gru.eval()
    refusal(model, tmp_path, NotStreamable, inputs=X)
    assert [part.training for part in model.modules()] == [True, True, False]


# -- calls that mean nothing -------------------------------------------------------------------------------------------


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(8, 6, batch_first=True)

    def forward(self, x: Tensor, h0: Tensor | None = None) -> tuple[Tensor, Tensor]:
        y, h = self.gru(x, h0)
        return y, h


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 8)

    def forward(self, tokens: Tensor, speaker: Tensor) -> Tensor:
        return self.embedding(tokens) + speaker[:, None]  # type: ignore[no-any-return]


USAGE: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no-time": ({"inputs": {"x": "float32[batch,8]"}}, ["no input has a time axis", "x=float32[batch,8]", "time"]),
    "no-inputs": ({"inputs": {}}, ["needs", "'x'"]),
    "unknown-argument": ({"inputs": {"y": X["x"]}}, ["forward of Plain takes no argument named 'y'", "x, h0"]),
    "malformed-spec": ({"inputs": {"x": "float32(batch,time,8)"}}, ["cannot read an input spec", "brackets"]),
    "unknown-dtype": ({"inputs": {"x": "single[batch,time,8]"}}, ["unknown dtype", "'single'", "float32"]),
    "two-times": ({"inputs": {"x": "float32[time,time,8]"}}, ["axis 'time' stands twice"]),
    "mode": ({"mode": "exact"}, ["unknown mode", "'exact'", "mode=Window(64)"]),
    "ops": ({"ops": "trt"}, ["unknown op set", "'trt'", "'portable'"]),
    "opset": ({"opset": 9}, ["opset out of range", "9"]),
    "max-context": ({"max_context": 0}, ["max_context", "positive"]),
    "frame-period": ({"frame_period": -0.01}, ["frame_period is out of range", "wanted from 1e-09 to 1e+09 seconds"]),
    "outputs-too-few": ({"outputs": ["y"]}, ["outputs must name every tensor", "2 names"]),
    "outputs-twice": ({"outputs": ["y", "y"]}, ["outputs must name every tensor", "each once"]),
}


@pytest.mark.parametrize("name", USAGE)
def test_wrong_calls(name: str, tmp_path: Path) -> None:
    arguments, words = USAGE[name]
    text = str(refusal(Plain(), tmp_path, UsageError, **{"inputs": X, **arguments}))
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("model.bin", ["must end in .onnx", "model.onnx"]),
        ("model", ["must end in .onnx", "model.onnx"]),
        ("missing/model.onnx", ["the folder does not exist", "missing"]),
    ],
)
def test_wrong_paths(path: str, words: list[str], tmp_path: Path) -> None:
    text = str(refusal(Plain(), tmp_path, UsageError, inputs=X, path=tmp_path / path))
    assert [word for word in words if word not in text] == []


@pytest.mark.parametrize(
    ("model", "inputs", "words"),
    [
        pytest.param(Plain, {"x": "float32[batch,time,5]"}, ["5", "8", "input spec"], id="feature-size"),
        pytest.param(Plain, {"x": "float32[batch,time,2,8]"}, ["input spec"], id="rank"),
        pytest.param(Plain, {"x": "float64[batch,time,8]"}, ["float64", "input spec"], id="float64"),
        pytest.param(Plain, {**X, "h0": "float32[1,batch,5]"}, ["5", "6", "input spec"], id="state-size"),
        pytest.param(
            Words, {"tokens": "float32[batch,time]", "speaker": "float32[batch,8]"}, ["input spec"], id="float-tokens"
        ),
    ],
)
def test_inputs_that_do_not_fit_the_model(
    model: Callable[[], nn.Module], inputs: dict[str, Any], words: list[str], tmp_path: Path
) -> None:
    text = str(refusal(model(), tmp_path, CaptureError, inputs=inputs))
    assert "test_refusals.py:" in text
    assert [word for word in words if word not in text] == []


def test_a_missing_argument_is_named(tmp_path: Path) -> None:
    error = refusal(Words(), tmp_path, EdgeseqError, inputs={"tokens": "int64[batch,time]"})
    assert "'speaker'" in str(error)
    assert "Words" in str(error)
    assert ".py:" not in str(error)
