"""Inputs at several rates, axes that inputs share, a fixed batch or none: captured as meant, run as given."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import sympy
import torch
from click.testing import CliRunner
from torch import Tensor, nn

import edgeseq
from edgeseq import runtime
from edgeseq.cli import main
from edgeseq.errors import EdgeseqError, ShapeError
from edgeseq.exporters.capture import Captured, capture
from edgeseq.testing import check_rule
from tests.models import BY_ID
from tests.models.rates import LipReader, MaskedMemory, ThreeToTwo


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Limited(nn.Module):
    """A table of positions and a branch on the length: bounds that an explicit dimension would refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.randn(1, 40, 3))

    def forward(self, x: Tensor, wave: Tensor) -> Tensor:
        slow = wave.reshape(wave.shape[0], -1, 4, 3).mean(2)
        y = x + slow if x.shape[1] >= 5 else x
        return y + self.places[:, : x.shape[1]]


class Halving(nn.Module):
    """Takes even lengths only: frames are folded by two."""

    def forward(self, x: Tensor, wave: Tensor) -> Tensor:
        rows = x.shape[0]
        return x.reshape(rows, -1, 2, 3).mean(2) + wave.reshape(rows, -1, 8, 3).mean(2)


class Nested(nn.Module):
    def forward(self, bag: dict[str, Any]) -> Tensor:
        slow, (fast, other) = bag["slow"], bag["fast"]
        return slow + fast.unflatten(1, (-1, 4)).mean(2) + other  # type: ignore[no-any-return]


class Aligned(nn.Module):
    """The two inputs never meet, so that forward does not tell that they last equally long."""

    def __init__(self) -> None:
        super().__init__()
        self.slow, self.fast = nn.GRU(3, 4, batch_first=True), nn.GRU(3, 4, batch_first=True)

    def forward(self, x: Tensor, wave: Tensor) -> tuple[Tensor, Tensor]:
        return self.slow(x)[0], self.fast(wave)[0]


TWO = {"x": "float32[batch,time,3]", "wave": "float32[batch,4*time,3]"}


def sizes(captured: Captured) -> dict[str, tuple[Any, ...]]:
    nodes = {node.name: node for node in captured.graph.nodes}
    return {item.name: captured.shape(nodes[item.placeholder].meta["val"]) for item in captured.inputs}


# -- capture -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [Limited, Aligned])
def test_a_multiple_of_time_is_captured_as_one(model: type[nn.Module]) -> None:
    captured = capture(model().eval(), TWO)
    found = sizes(captured)
    assert found["x"] == (captured.batch, captured.time, 3)
    assert found["wave"] == (captured.batch, 4 * captured.time, 3)
    assert sorted(captured.axes.values()) == ["batch", "time"]


def test_the_hook_of_the_capture_is_gone_afterwards() -> None:
    model = Aligned().eval()
    capture(model, TWO)
    with pytest.raises(EdgeseqError):
        capture(model, {"x": "float32[batch,4*time,3]", "wave": "float32[batch,time,9]"})
    assert not model._forward_pre_hooks
    model(torch.zeros(1, 2, 3), torch.zeros(1, 8, 3))


def test_bounds_are_found_beside_a_multiple() -> None:
    captured = capture(Limited().eval(), TWO)
    assert (captured.least, captured.most) == (5, 40)


def test_a_word_is_one_symbol_in_every_input() -> None:
    inputs = {"x": "float32[batch,time,6]", "src": "float32[batch,words,5]", "mask": "bool[batch,words]"}
    captured = capture(MaskedMemory().eval(), inputs)
    found = sizes(captured)
    assert isinstance(found["src"][1], sympy.Symbol)
    assert found["mask"] == found["src"][:2]
    assert sorted(captured.axes.values()) == ["batch", "time", "words"]


def test_a_word_beside_time_must_be_known_before_the_first_frame() -> None:
    with pytest.raises(EdgeseqError) as caught:
        capture(MaskedMemory(), {"x": "float32[batch,time,w]", "src": "float32[batch,s,5]", "mask": "bool[batch,s]"})
    assert str(caught.value) == (
        "input x has an axis called w beside time (got float32[batch,time,w], wanted sizes, batch, time and axes of "
        "inputs without time). Write the size in place of w."
    )


# -- streams, in float64 -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "inputs", "multiple", "ratios"),
    [
        (Aligned, TWO, 1, [1, 4]),
        (Halving, TWO, 2, [Fraction(1, 2)]),
        (ThreeToTwo, {"fast": "float32[batch,3*time,4]", "slow": "float32[batch,2*time,5]"}, 1, [1]),
        (Aligned, {"x": "float32[batch,2*time,3]", "wave": "float32[batch,4*time,3]"}, 1, [2, 4]),
        (Aligned, {"x": "float32[1,time,3]", "wave": "float32[1,4*time,3]"}, 1, [1, 4]),
    ],
)
def test_streams_at_two_rates(model: type[nn.Module], inputs: dict[str, str], multiple: int, ratios: list[Any]) -> None:
    torch.manual_seed(1)
    contract = check_rule(model(), inputs, batch=1 if "[1," in str(inputs) else 3)
    assert contract.chunk.multiple == multiple
    assert [port.ratio for port in contract.with_role("output")] == ratios
    for port in contract.with_role("frame"):
        assert port.shape[port.time_axis or 0] == "time"


def test_inputs_inside_inputs_have_rates_too(tmp_path: Path) -> None:
    bag = {"slow": "float32[batch,time,3]", "fast": ("float32[batch,4*time,3]", "float32[batch,time,3]")}
    exported = edgeseq.export(Nested(), {"bag": bag}, tmp_path / "m.onnx")
    assert {port.name: port.ratio for port in exported.contract.with_role("frame")} == {
        "bag.slow": 1,
        "bag.fast.0": 4,
        "bag.fast.1": 1,
    }


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LipReader]:
    row = BY_ID["lip-reader"]
    path = tmp_path_factory.mktemp("reader") / "m.onnx"
    model: Any = row.build()
    edgeseq.export(model, row.inputs, path)
    return path, model


def test_axes_of_two_rates_have_two_names_in_the_graph(reader: tuple[Path, LipReader]) -> None:
    """onnxruntime takes axes of one name for equally long."""
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in onnx.load(reader[0]).graph.input
    }
    assert shapes["audio"] == ["batch", "4*time", 3]
    assert shapes["video"] == ["batch", "time", 4, 4]


def test_frames_of_all_inputs_come_in_step(reader: tuple[Path, LipReader]) -> None:
    stream = runtime.load(reader[0]).stream()
    video = np.zeros((1, 3, 4, 4), np.float32)
    stream.step(audio=np.zeros((1, 12, 3), np.float32), video=video)
    with pytest.raises(ShapeError, match="same stretch of time") as caught:
        stream.step(audio=np.zeros((1, 11, 3), np.float32), video=video)
    assert (caught.value.got, caught.value.wanted) == (
        "audio: 11 frames, video: 3 frames",
        "4 of audio, 1 of video per base frame",
    )
    assert stream.frames_in == 3


@pytest.mark.parametrize("chunk", [1, 3, 7])
def test_the_command_line_runs_two_rates(
    reader: tuple[Path, LipReader], chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(1)
    audio = generator.standard_normal((1, 92, 3)).astype(np.float32)
    video = generator.standard_normal((1, 23, 4, 4)).astype(np.float32)
    np.save("audio.npy", audio)
    np.save("video.npy", video)
    words = ["run", str(reader[0]), "--input", "audio=audio.npy", "--input", "video=video.npy", "-o", "y.npy"]
    result = CliRunner().invoke(main, [*words, "--chunk", str(chunk)])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("23 frames in, ")
    with torch.no_grad():
        wanted = reader[1](torch.from_numpy(audio), torch.from_numpy(video)).numpy()
    np.testing.assert_allclose(np.load("y.npy"), wanted, rtol=0, atol=2e-6)


def test_the_command_line_exports_two_rates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    words = ["export", "tests.models.rates:LipReader", "-o", "m.onnx"]
    words += ["--input", "audio=float32[batch,4*time,3]", "--input", "video=float32[batch,time,4,4]"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(
        "inputs, as they were read:\n"
        "  audio: float32, batch x 4*time x 3, frames along axis 1, 4 of them for each of time\n"
        "  video: float32, batch x time x 4 x 4, frames along axis 1\n"
    )
