"""``edgeseq quantize``: what it writes, what it says, and what ``edgeseq inspect`` says of it afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from edgeseq import runtime
from edgeseq.cli import main
from edgeseq.cli.quantization import node_tables
from edgeseq.quantization import quantizing
from edgeseq.quantization.speed import Speed
from edgeseq.quantization.targets import TARGETS

METRICS = """
import numpy as np

def accuracy(outputs, data):
    seen = data["lengths"][:, None] > np.arange(data["targets"].shape[1])
    return float((outputs["output"].argmax(-1) == data["targets"])[seen].mean())

def error(outputs, data):
    return float(np.square(outputs["output"]).mean())

error.lower_is_better = True

def broken(outputs, data):
    raise KeyError("labels")

def unknown(outputs, data):
    return float("nan")

number = 3
"""


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def quantized(source: Path, out: Path, *arguments: object) -> Result:
    return invoke("quantize", source, "-o", out, *(arguments or ("--kind", "int8-weights")), "--no-speed")


def report_of(path: Path) -> dict[str, Any]:
    report = runtime.load(path).contract.quantization
    assert report is not None
    return dict(report)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Examples for the language model, some shorter than others, and a metric beside them."""
    generator = np.random.default_rng(0)
    tokens = generator.integers(0, 50, (6, 40))
    lengths = np.array([40, 40, 17, 30, 17, 40])
    folder = tmp_path / "data"
    folder.mkdir()
    np.savez(folder / "data.npz", tokens=tokens, lengths=lengths, targets=generator.integers(0, 50, (6, 40)))
    (folder / "metrics.py").write_text(METRICS)
    return folder


def test_writes_a_file_and_says_what_inspect_says(gru: Path, tmp_path: Path) -> None:
    result = quantized(gru, tmp_path / "q.onnx", "--kind", "int8-dynamic", "--kernel", "rows", "--json", tmp_path / "r")
    assert result.exit_code == 0, result.output
    inspected = invoke("inspect", tmp_path / "q.onnx", "--json", tmp_path / "i").output
    assert inspected in result.output
    lines = inspected.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("quantized "))
    assert [line.split()[0] for line in lines[at + 1 : at + 3]] == ["rnn.layer0-1", "head"]
    assert "quantization     int8-dynamic, for " in inspected
    assert "error            signal to noise on random inputs: output " in inspected
    assert "over steps       the error stays what it is: " in inspected
    assert "speed            not measured: not asked for" in inspected
    assert "loud end       passed" in result.output
    written, shown = (json.loads((tmp_path / name).read_text()) for name in "ri")
    assert (written["format"], shown["format"]) == ("edgeseq.quantize", "edgeseq.inspect")
    assert written["contract"] == shown["contract"]
    assert written["contract"]["quantization"]["config"]["kernel"] == "rows"
    assert written["verification"]["passed"] is True
    assert sorted(path.name for path in tmp_path.iterdir()) == ["i", "q.golden.npz", "q.onnx", "r"]


def test_options_reach_the_config(language: Path, data: Path, tmp_path: Path) -> None:
    options = ["--group", "32", "--rounding", "nearest", "--nodes", "block.*", "--nodes", "head", "--keep", "*.out"]
    arguments = ["--kind", "int4-weights", *options, "--chunks", "--target-cpu", "arm", "--cache", "int8"]
    arguments += ["--data", str(data / "data.npz")]
    result = quantized(language, tmp_path / "q.onnx", *arguments, "--no-golden", "--sidecar", "--external-data")
    assert result.exit_code == 0, result.output
    report = report_of(tmp_path / "q.onnx")
    assert report["config"] == {
        "group": 32,
        "rounding": "nearest",
        "only": ["block.*", "head"],
        "keep": ["*.out"],
        "one_frame": False,
        "cache": "int8",
    }
    assert (report["target"], report["speed_note"]) == ("arm", "speed not measured on this target")
    assert {left["name"]: left["why"] for left in report["left"]} == dict.fromkeys(
        ("tokens", "positions", "block.out"), "it was asked to stay in float"
    )
    assert sorted(path.name for path in tmp_path.glob("q.*")) == ["q.contract.json", "q.onnx", "q.onnx.data"]
    assert "caches of attention in int8" in result.output
    assert "tokens         Gather" in result.output


def test_data_are_calibrated_on_and_a_metric_is_kept(language: Path, data: Path, tmp_path: Path) -> None:
    arguments = ["--kind", "int8-static", "--data", data / "data.npz", "--metric", f"{data / 'metrics.py'}:accuracy"]
    result = quantized(language, tmp_path / "q.onnx", *arguments, "--max-loss", "90%")
    assert result.exit_code == 0, result.output
    report = report_of(tmp_path / "q.onnx")
    assert report["inputs"] == "calibration"
    assert report["task"]["metric"].endswith("metrics.py:accuracy")
    assert set(report["task"]) == {"metric", "float", "quantized", "lost"}
    assert "task             " in result.output


@pytest.mark.parametrize("asked", [["--kind", "int8-static"], ["--kind", "int8-weights", "--cache", "int8"]])
def test_scales_that_are_constants_need_real_inputs(asked: list[str], language: Path, tmp_path: Path) -> None:
    result = quantized(language, tmp_path / "q.onnx", *asked)
    assert result.exit_code == 2
    assert "needs real inputs" in result.stderr
    assert "--data FILE.npz" in " ".join(result.stderr.split())
    assert not list(tmp_path.iterdir())


def test_a_metric_of_which_less_is_better(language: Path, data: Path, tmp_path: Path) -> None:
    arguments = ["--kind", "int8-weights", "--data", data / "data.npz", "--metric", f"{data / 'metrics.py'}:error"]
    assert quantized(language, tmp_path / "q.onnx", *arguments).exit_code == 0
    task = report_of(tmp_path / "q.onnx")["task"]
    assert task["lost"] == pytest.approx((task["quantized"] - task["float"]) / task["float"])


@pytest.mark.parametrize("asked", [True, False])
def test_what_is_slower_is_written_only_where_it_is_asked_for(
    asked: bool, gru: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantizing, "target_of", lambda name: (TARGETS["x86"], True))
    monkeypatch.setattr(quantizing, "compare_steps", lambda *_: Speed((10.0, 11.0), (20.0, 22.0), 1))
    arguments = ["--kind", "int8-weights", *(["--keep-slower"] if asked else [])]
    result = invoke("quantize", gru, "-o", tmp_path / "q.onnx", *arguments)
    assert result.exit_code == (0 if asked else 1), result.output
    if asked:
        assert "speed            slower, 0.5 times as fast: 21 us a step, in float 10.5 us" in result.output
    else:
        assert "slower than the float one on this machine" in result.output
        assert "(got 2.00 times as long a step)" in result.output
        assert not list(tmp_path.iterdir())


def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """The command in a process in which some packages are not there."""
    command = [sys.executable, "-c", f"{code}; from edgeseq.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_needs_neither_torch_nor_onnxscript(gru: Path, tmp_path: Path) -> None:
    without = "import sys; sys.modules.update(dict.fromkeys(['torch', 'onnxscript']))"
    done = run(without, "quantize", gru, "-o", tmp_path / "q.onnx", "--kind", "fp16", "--no-speed")
    assert (done.returncode, done.stderr) == (0, "")
    assert report_of(tmp_path / "q.onnx")["kind"] == "fp16"


def test_says_what_is_missing(gru: Path, tmp_path: Path) -> None:
    without = "import sys; sys.modules['onnx_ir'] = None"
    done = run(without, "quantize", gru, "-o", tmp_path / "q.onnx", "--kind", "fp16")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "error: quantizing needs onnx and onnx-ir: onnx_ir is not installed. Install them with: "
        "pip install 'edgeseq[quantize]'.\n"
    )


def test_alike_nodes_are_one_line() -> None:
    nodes = [
        {
            "name": f"layers.{number}.out",
            "kind": "linear",
            "scheme": "int8 (rows)",
            "bytes_before": 1024,
            "bytes_after": 256,
            "snr_db": 40.0 + number,
            "alone_snr_db": None,
        }
        for number in range(12)
    ]
    left = [{"name": f"conv{number}", "op": "Conv", "bytes": 1024, "why": "slower"} for number in (1, 3)]
    other = {**nodes[0], "name": "head", "scheme": "int4 (blocks)"}
    assert node_tables({"nodes": [*nodes, other], "left": left}) == [
        "quantized             kind    as             before    after    at it    alone",
        "layers.0-11.out (12)  linear  int8 (rows)    12.0 KiB  3.0 KiB  40.0 dB",
        "head                  linear  int4 (blocks)  1.0 KiB   256 B    40.0 dB",
        "signal to noise: at it, and of the worst output with it alone quantized; of alike ones the least",
        "",
        "left in float  op    weights  why",
        "conv1-3 (2)    Conv  2.0 KiB  slower",
        "",
    ]
