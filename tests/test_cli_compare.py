"""``edgeseq compare``: files and results, what it refuses, and when it fails."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from edgeseq.cli import main
from tests import handmade
from tests.lab.test_comparing import comparison


def compare(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["compare", *map(str, arguments)])


@pytest.fixture
def results(tmp_path: Path) -> list[Path]:
    """A result of one file, and one of a file that takes half as long again."""
    found = []
    for name, p50 in (("old", 10_000), ("new", 15_000)):
        found.append(tmp_path / f"{name}.json")
        found[-1].write_text(comparison(p50).to_json())
    return found


def test_files_are_measured_together_and_judged_by_a_metric(tmp_path: Path) -> None:
    first, other = handmade.gru().save(tmp_path / "a.onnx"), handmade.gru().save(tmp_path / "b.onnx")
    (tmp_path / "metrics.py").write_text(
        "def largest(outputs, data):\n    return float(max(o.max() for o in outputs.values()))\n"
    )
    np.savez(tmp_path / "data.npz", x=np.zeros((2, 5, 4), np.float32))
    chosen = ["--steps=20", "--runs=1", "--period=1ms", "--no-floor", "--json=-"]
    metric = ["--data", tmp_path / "data.npz", "--metric", f"{tmp_path}/metrics.py:largest"]
    result = compare(first, other, *chosen, *metric)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert [subject["name"] for subject in document["subjects"]] == ["a.onnx", "b.onnx"]
    assert all(np.isfinite(subject["quality"]["value"]) for subject in document["subjects"])
    assert {one["base"] for one in document["differences"]} == {"a.onnx"}


def test_results_are_compared_as_they_are(results: list[Path]) -> None:
    result = compare(*results)
    assert result.exit_code == 0, result.output
    assert "not measured together" in result.stdout
    assert "0.onnx (2) against 0.onnx (1): back to back 1.5 times as long" in result.stdout


def test_what_got_slower_fails(results: list[Path]) -> None:
    result = compare(*results, "--fail-above=10%")
    assert result.exit_code == 1
    assert result.stderr.startswith("0.onnx (2) is more than 10 % slower than 0.onnx (1): ")
    assert compare(*results, "--fail-above=60%").exit_code == 0
    assert compare(*reversed(results), "--fail-above=10%").exit_code == 0


def test_a_file_is_held_against_a_result(results: list[Path], tmp_path: Path) -> None:
    path = handmade.gru().save(tmp_path / "m.onnx")
    chosen = ["--steps=20", "--runs=1", "--period=1ms", "--no-floor", "--other-machines"]
    result = compare(results[0], path, *chosen)
    assert result.exit_code == 0, result.output
    assert "m.onnx against 0.onnx" in result.stdout
    assert "unlike" in result.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data=x.npz"], "--data and --metric belong together (wanted both, or none)."),
        (["nowhere.json"], "no such result (got nowhere.json)."),
        (["--steps=5"], "results are compared as they are (got --steps, wanted a file to measure beside them)."),
        (["--raw=x.npz"], "results do not hold the single steps (wanted files alone beside --raw)."),
        (
            ["--deadline=5ms"],
            "a result is held against the deadline that it was measured with at 0.onnx (got none, wanted 5 ms). "
            "Measure it again with this --deadline.",
        ),
    ],
)
def test_wrong_calls(results: list[Path], options: list[str], message: str) -> None:
    result = compare(*results, *options)
    assert (result.exit_code, result.stderr) == (2, f"error: {message}\n")


def test_what_could_not_fail_is_not_measured(tmp_path: Path) -> None:
    path = handmade.gru().save(tmp_path / "m.onnx")
    assert "nothing that could be slower" in compare(path, "--fail-above=10%").stderr
    other = handmade.gru().save(tmp_path / "n.onnx")
    assert "too few processes" in compare(path, other, "--fail-above=10%", "--runs=7").stderr
    assert "no median step" in compare(path, other, "--fail-above=10%", "--steps=19").stderr
