"""What cannot be quantized, or not so: each says why, and nothing is written."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from torch import nn

import edgeseq
from edgeseq.cli import main
from edgeseq.errors import EdgeseqError, ModelFileError, UsageError
from edgeseq.exporters import Sequence
from edgeseq.quantization import Int4Weights, Int8Dynamic, Int8Static, Int8Weights, Task, quantize, verify_quantized
from edgeseq.quantization.configs import parse_kind
from tests.quantization.test_cli_quantize import METRICS


@pytest.fixture
def place(gru: Path, tmp_path: Path) -> Path:
    """A folder with the float file alone."""
    shutil.copy(gru, tmp_path / "m.onnx")
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def refused(place: Path, message: str, **options: Any) -> None:
    """``quantize`` raises this, and the folder stays as it is."""
    before = contents(place)
    config = options.pop("config", Int8Weights())
    with pytest.raises(EdgeseqError) as caught:
        quantize(options.pop("path", place / "m.onnx"), config, options.pop("out", place / "q.onnx"), **options)
    assert message in str(caught.value)
    assert contents(place) == before
    assert not [path for path in place.iterdir() if path.is_dir()]


def x(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


SPOILED = x(1, 80, 24)
SPOILED[0, 3, 5] = np.nan
ENDLESS = x(1, 80, 24)
ENDLESS[0, 3, 5] = np.inf

CALIBRATIONS: Mapping[str, tuple[Any, str]] = {
    "the wrong shape": ([{"x": x(1, 80, 23)}], "calibration for x does not fit (got float32[1,80,23], wanted float32["),
    "the wrong rank": ([{"x": x(80, 24)}], "calibration for x does not fit (got float32[80,24], wanted float32["),
    "the wrong dtype": ([{"x": x(1, 80, 24).astype(np.float64)}], "calibration for x does not fit (got float64"),
    "no frames": ([{"x": x(1, 0, 24)}], "calibration for x does not fit (got float32[1,0,24]"),
    "NaN": ([{"x": SPOILED}], "calibration for x holds NaN"),
    "infinities": ([{"x": ENDLESS}], "calibration for x holds infinities"),
    "nothing": ([], "the calibration data are empty"),
    "samples of nothing": ([{}], "the calibration data are empty"),
    "another name": ([{"y": x(1, 80, 24)}], "calibration names 'y' (wanted one of x)"),
}


@pytest.mark.parametrize(("calibration", "message"), CALIBRATIONS.values(), ids=CALIBRATIONS)
def test_calibration_of(calibration: Any, message: str, place: Path) -> None:
    refused(place, message, calibration=calibration)


def test_calibration_that_lacks_an_input(tmp_path: Path) -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(40, 40), nn.Linear(40, 40)

        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.first(x) + self.second(y)
            return out

    spec = "float32[batch,time,40]"
    edgeseq.export(Sum(), {"x": spec, "y": spec}, tmp_path / "m.onnx", golden=False)
    refused(
        tmp_path, "the calibration data have no y (wanted every input of the file)", calibration=[{"x": x(1, 9, 40)}]
    )


def test_calibration_shorter_than_the_receptive_field(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv1d(32, 32, 21), nn.Conv1d(32, 40, 1))
    edgeseq.export(model, {"input": "float32[batch,32,time]"}, tmp_path / "m.onnx", golden=False)
    message = "shorter than what a frame of output depends on (got 20 frames, wanted at least 21)"
    refused(tmp_path, message, calibration=[{"input": x(1, 32, 20)}])


def test_a_file_already_quantized(place: Path) -> None:
    quantize(place / "m.onnx", Int8Weights(), place / "q.onnx", measure=False, golden=False)
    refused(place, "the file is quantized already", path=place / "q.onnx", out=place / "r.onnx")


def test_a_file_changed_since_it_was_verified(place: Path) -> None:
    model = onnx.load(place / "m.onnx")
    model.graph.initializer[0].raw_data = bytes(len(model.graph.initializer[0].raw_data))
    onnx.save(model, place / "m.onnx")
    refused(place, "the file is not verified at ")
    refused(place, "the file was changed after verification")


def test_a_file_of_whole_sequences(tmp_path: Path) -> None:
    spec = {"input": "float32[batch,time,40]"}
    edgeseq.export(nn.Linear(40, 40), spec, tmp_path / "m.onnx", Sequence(), golden=False)
    refused(tmp_path, "a file of whole sequences cannot be quantized")


TARGETS: Mapping[str, tuple[Callable[[Path], Path], str]] = {
    "the file itself": (lambda place: place / "m.onnx", "the quantized file would replace the float one"),
    "the file by another way": (lambda place: place / ".." / place.name / "m.onnx", "would replace the float one"),
    "its prologue": (lambda place: place / "m.prologue.onnx", "the quantized file would replace the float one"),
    "no folder": (lambda place: place / "none" / "q.onnx", "the folder does not exist"),
    "a folder": (lambda place: place.parent, "the file must end in .onnx"),
    "another suffix": (lambda place: place / "q.bin", "the file must end in .onnx"),
}


@pytest.mark.parametrize(("out", "message"), TARGETS.values(), ids=TARGETS)
def test_out_is(out: Callable[[Path], Path], message: str, place: Path) -> None:
    refused(place, message, out=out(place))


def test_a_folder_that_takes_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(dir: Path) -> None:  # noqa: A002  tempfile's own word
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    refused(place, f"cannot write into the folder: Permission denied (got {place}). Write to another one.")


def test_a_pattern_that_matches_nothing(place: Path) -> None:
    message = "a pattern matches no node (got 'encoder.*', wanted a name or a pattern of rnn.layer0, rnn.layer1, head)"
    refused(place, message, config=Int8Weights(only=("encoder.*",)))
    refused(place, message, config=Int8Weights(keep=("encoder.*",)))


def test_nothing_that_could_be_quantized(tmp_path: Path) -> None:
    edgeseq.export(nn.Linear(4, 4), {"input": "float32[batch,time,4]"}, tmp_path / "m.onnx", golden=False)
    refused(tmp_path, "there is nothing to quantize")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="there is no file"):
        quantize(tmp_path / "m.onnx", Int8Weights(), tmp_path / "q.onnx")


def test_words_that_mean_nothing(place: Path) -> None:
    refused(place, "unknown config (got 'int8', wanted one of Int8Dynamic, ", config="int8")
    refused(place, "unknown target (got 'z80', wanted one of x86-vnni, x86, arm-dotprod, arm)", target_cpu="z80")
    refused(place, "min_sqnr is out of range (got nan, wanted a number from 0)", min_sqnr=float("nan"))
    with pytest.raises(UsageError, match=r"unknown kind of quantization \(got 'int2', wanted one of int8-dynamic, "):
        parse_kind("int2")


SETTINGS: Mapping[str, tuple[Callable[[], Any], str]] = {
    "group": (lambda: Int4Weights(group=48), "group out of range"),
    "batch": (lambda: Int8Dynamic(batch=0), "batch out of range"),
    "kernel": (lambda: Int8Dynamic(kernel="columns"), "unknown kernel"),  # type: ignore[arg-type]
    "rounding": (lambda: Int4Weights(rounding="up"), "unknown rounding"),  # type: ignore[arg-type]
    "cache": (lambda: Int8Static(cache="int4"), "unknown precision of a cache"),  # type: ignore[arg-type]
    "one pattern": (lambda: Int8Static(only="rnn.*"), "only is no tuple of patterns"),  # type: ignore[arg-type]
    "one frame": (lambda: Int8Static(one_frame=3), "one_frame is none of its values"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("make", "message"), SETTINGS.values(), ids=SETTINGS)
def test_a_config_with_another(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_a_metric_without_a_finite_number(place: Path) -> None:
    data = {"x": x(4, 30, 24)}
    for value in (float("nan"), float("inf"), None, "good"):
        task = Task(lambda outputs, data, value=value: value, data, max_loss=0.1)  # type: ignore[misc]
        refused(place, "the metric gives no finite number", task=task)


def test_data_of_a_task_that_do_not_fit(place: Path) -> None:
    def metric(outputs: Any, data: Any) -> float:
        return 1.0

    refused(place, "the data have no x (got y, wanted every input of the file)", task=Task(metric, {"y": x(4, 9, 24)}))
    refused(place, "data for x do not fit", task=Task(metric, {"x": x(9, 24)}))
    for lengths in (np.array([9, 9]), np.array([9, 10, 9, 9]), np.array([9, 0, 9, 9]), np.full(4, 9.0)):
        task = Task(metric, {"x": x(4, 9, 24), "lengths": lengths})
        refused(place, "the lengths do not fit the data", task=task)
    refused(place, "max_loss is out of range", task=Task(metric, {"x": x(4, 9, 24)}, max_loss=-0.1))


#: What is given on the command line, the exit code, what is said.
COMMANDS: Mapping[str, tuple[list[str], int, str]] = {
    "another kind": (["--kind", "int2"], 2, "error: unknown kind of quantization (got 'int2'"),
    "a setting of another kind": (["--kind", "fp16", "--group", "32"], 2, "error: --group means nothing for fp16."),
    "a metric without data": (["--kind", "fp16", "--metric", "metrics.py:accuracy"], 2, "error: --metric needs data."),
    "a loss without a metric": (["--kind", "fp16", "--max-loss", "1%"], 2, "--max-loss is a share of a metric"),
    "no decibels": (["--kind", "fp16", "--min-sqnr", "loud"], 2, "cannot read decibels"),
    "no loss": (["--kind", "fp16", "--max-loss", "0.5"], 2, "cannot read a loss"),
    "no data file": (["--kind", "fp16", "--data", "none.npz"], 2, "error: no such data file"),
    "data of another kind": (
        ["--kind", "fp16", "--data", "metrics.py"],
        2,
        "error: cannot read the data at metrics.py",
    ),
    "one array": (["--kind", "fp16", "--data", "x.npy"], 2, "error: cannot read the data at x.npy (got one array"),
    "no arrays": (["--kind", "fp16", "--data", "empty.npz"], 2, "error: the data are empty at empty.npz"),
    "no input": (["--kind", "fp16", "--data", "y.npz"], 2, "error: the data have no x (got y"),
    "a metric that is none": (
        ["--kind", "fp16", "--data", "x.npz", "--metric", "metrics.py:number"],
        2,
        "error: metrics.py:number is no metric (got int, wanted a function).",
    ),
    "no such metric": (
        ["--kind", "fp16", "--data", "x.npz", "--metric", "metrics.py:recall"],
        2,
        "error: no 'recall' in metrics.py (wanted one of accuracy, ",
    ),
    "a metric that raises": (
        ["--kind", "fp16", "--data", "x.npz", "--metric", "metrics.py:broken"],
        1,
        "error: calling metrics.py:broken raised KeyError",
    ),
    "a metric that is NaN": (
        ["--kind", "fp16", "--data", "x.npz", "--metric", "metrics.py:unknown", "--max-loss", "1%"],
        2,
        "error: the metric gives no finite number at metrics.py:unknown (got nan).",
    ),
    "a target": (["--kind", "fp16", "--target-cpu", "z80"], 2, "error: unknown target (got 'z80'"),
}


@pytest.mark.parametrize(("arguments", "code", "message"), COMMANDS.values(), ids=COMMANDS)
def test_the_command_with(
    arguments: list[str], code: int, message: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    (place / "metrics.py").write_text(METRICS)
    np.save(place / "x.npy", x(3))
    np.savez(place / "x.npz", x=x(4, 30, 24))
    np.savez(place / "y.npz", y=x(4, 30, 24))
    np.savez(place / "empty.npz")
    before = set(contents(place))
    result = CliRunner().invoke(main, ["quantize", "m.onnx", "-o", "q.onnx", *arguments])
    assert result.exit_code == code, result.output
    assert message in result.output
    assert set(contents(place)) == before


def test_a_quantized_file_against_another(place: Path, language: Path) -> None:
    quantize(place / "m.onnx", Int8Weights(), place / "q.onnx", measure=False, golden=False)
    assert verify_quantized(place / "q.onnx", place / "m.onnx").passed
    with pytest.raises(UsageError, match="the file was made of another float file"):
        verify_quantized(place / "q.onnx", language)
    with pytest.raises(UsageError, match="the file is not quantized"):
        verify_quantized(place / "m.onnx", place / "m.onnx")
