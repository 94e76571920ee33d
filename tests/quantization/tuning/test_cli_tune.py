"""``edgeseq tune``: what is passed on, what is told, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from edgeseq import quantization
from edgeseq.cli import main
from edgeseq.cli.tune import describe, parse_limits
from edgeseq.errors import UsageError
from edgeseq.quantization import Tuned
from tests import handmade

FLOAT: dict[str, Any] = {
    "form": "float",
    "kind": "float",
    "config": None,
    "threads": 1,
    "spinning": True,
    "size_bytes": 2_607_191,
    "sqnr_db": None,
    "p50_us": [100.0, 102.0, 101.0],
    "p99_us": [],
    "memory_bytes": [70_000_000, 70_100_000, 70_200_000],
    "ratio": 1.0,
    "verdict": "worse",
    "why": "slower than what won",
}
ROWS = {
    **FLOAT,
    "form": "int8-dynamic rows",
    "kind": "int8-dynamic",
    "threads": 2,
    "spinning": False,
    "size_bytes": 700_000,
    "sqnr_db": 39.87,
    "p50_us": [50.0, 52.0, 51.0],
    "ratio": 1.98,
    "verdict": "won",
    "why": "faster than float",
}
TWIN = {
    **ROWS,
    "p50_us": [],
    "memory_bytes": [],
    "ratio": None,
    "verdict": "dropped",
    "why": "the same file as another",
}
TUNED = Tuned(
    file={"name": "m.onnx", "bytes": 2_607_191, "digest": "sha256:0"},
    written={
        "path": "m.tuned.onnx",
        "bytes": 712_345,
        "digest": "sha256:1",
        "session": {"threads": 2, "spinning": False},
    },
    machine={"cpu": "Cortex-A76", "usable_cores": 4},
    versions={"onnxruntime": "1.31.0"},
    settings={"minimize": "p50", "limits": {}, "steps": 300, "period": 0.01, "runs": 3, "batch": 1},
    tried=(FLOAT, ROWS, TWIN, {**TWIN, "form": "int8-weights"}),
    winner={"form": "int8-dynamic rows"},
    sentence="int8-dynamic rows, 2 threads, no spinning is best",
    doubts=("3 processes of each: a doubt",),
)

TEXT = """\
m.onnx: 3 processes of each, 300 steps every 10 ms, batch 1
Cortex-A76, usable cores: 4, onnxruntime 1.31.0

tried              threads  size     SQNR   p50     p99  memory   ratio  verdict
float              1        2.61 MB  -      101 us  -    70.1 MB  1.00   worse
int8-dynamic rows  2 idle   700 KB   40 dB  51 us   -    70.1 MB  1.98   won
int8-dynamic rows  2 idle   700 KB   40 dB  -       -    -        -      dropped
int8-weights       2 idle   700 KB   40 dB  -       -    -        -      dropped

slower than what won: float (1)
faster than float: int8-dynamic rows (2 idle)
the same file as another: int8-dynamic rows (2 idle); int8-weights (2 idle)

int8-dynamic rows, 2 threads, no spinning is best
doubt: 3 processes of each: a doubt

written: m.tuned.onnx, 712,345 bytes, opened with 2 threads, no spinning here"""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What the library is called with; it answers at once."""
    calls: list[tuple[Any, ...]] = []

    def tune(path: Path, out: Path | None, **given: Any) -> Tuned:
        del given["progress"]
        calls.append((path, out, given))
        return TUNED

    monkeypatch.setattr(quantization, "tune", tune)
    return calls


def test_a_result_is_told() -> None:
    assert describe(Path("m.onnx"), TUNED) == TEXT


def test_a_wide_table_fits_a_terminal_and_tells_the_forms_apart() -> None:
    wide = {**ROWS, "form": "int8-dynamic blocks, 1 frame", "p99_us": [1234.5], "verdict": "not visible"}
    text = describe(Path("m.onnx"), replace(TUNED, tried=(wide, {**wide, "ratio": 12.1})))
    assert max(map(len, text.splitlines())) <= 100
    assert text.count("int8-dynamic blocks, 1 frame  2 idle") == 2


def test_options_are_passed_on(asked: list[tuple[Any, ...]], tmp_path: Path) -> None:
    path = handmade.gru().save(tmp_path / "m.onnx")
    assert CliRunner().invoke(main, ["tune", path, "--minimize=p50"]).exit_code == 0
    frames = np.zeros((2, 9, 4), np.float32)
    np.savez(tmp_path / "data.npz", x=frames, lengths=np.array([9, 5]))
    options = ["--subject-to=size=2MB,sqnr=30dB,p99=2ms", "--period=10ms", "--batch=3", "--runs=4", "--steps=2000"]
    data = ["--data", str(tmp_path / "data.npz"), "-o", str(tmp_path / "t.onnx")]
    result = CliRunner().invoke(main, ["tune", path, "--minimize=p99", *options, *data])
    assert result.exit_code == 0, result.output
    assert asked[0] == (Path(path), None, {"minimize": "p50", "subject_to": None})
    given = asked[1][2]
    assert [sample["x"].shape for sample in given.pop("calibration")] == [(1, 9, 4), (1, 5, 4)]
    assert asked[1][:2] == (Path(path), tmp_path / "t.onnx")
    assert given == {
        "minimize": "p99",
        "subject_to": {"size": 2_000_000, "sqnr": 30.0, "p99": 0.002},
        "period": 0.01,
        "batch": 3,
        "runs": 4,
        "steps": 2000,
    }


@pytest.mark.usefixtures("asked")
def test_json_goes_to_standard_output_alone(tmp_path: Path) -> None:
    path = handmade.gru().save(tmp_path / "m.onnx")
    result = CliRunner().invoke(main, ["tune", path, "--minimize=p50", "--json", "-"])
    assert Tuned.from_json(result.stdout).sentence == TUNED.sentence
    assert json.loads(result.stdout)["format"] == "edgeseq.tune"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("size=2", "a size needs its unit (got '2', wanted as in 2MB, 64KiB or 500B)."),
        ("memory=64.", "a size needs its unit (got '64.', wanted as in 2MB, 64KiB or 500B)."),
        ("size=0MB", "cannot read a size (got '0MB', "),
        ("p99=10", "cannot read a duration (got '10', "),
        ("sqnr=loud", "cannot read decibels (got 'loud', "),
        ("bytes=2MB", "unknown constraint (got 'bytes', wanted one of size, sqnr, memory, p50, p99)."),
        ("size=2MB,size=3MB", "the constraint size stands twice (wanted once)."),
        ("size", "cannot read an assignment (got 'size', wanted NAME=VALUE)."),
        ("size=2MB,", "cannot read an assignment (got '', wanted NAME=VALUE)."),
    ],
)
def test_limits_that_cannot_be_read(text: str, message: str, asked: list[tuple[Any, ...]], tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        parse_limits(text)
    assert str(caught.value).startswith(message)
    path = handmade.gru().save(tmp_path / "m.onnx")
    assert CliRunner().invoke(main, ["tune", path, "--minimize=p50", f"--subject-to={text}"]).exit_code == 2
    assert asked == []


def test_what_the_library_refuses_is_one_line_and_nothing_is_written(tmp_path: Path) -> None:
    path = handmade.gru().save(tmp_path / "m.onnx")
    result = CliRunner().invoke(main, ["tune", path, "--minimize=speed"])
    assert result.exit_code == 2
    assert result.stderr == "error: cannot minimize that (got 'speed', wanted one of p50, p99, size, memory).\n"
    assert [item.name for item in tmp_path.iterdir()] == ["m.onnx"]
