"""``edgeseq bench``: what it hands to the library and how it tells the result."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from edgeseq import runtime
from edgeseq.cli import main
from edgeseq.cli.bench import describe
from edgeseq.runtime.measuring.latency import Latency
from edgeseq.runtime.measuring.series import make_series
from tests import handmade

LATENCY = Latency(
    file={"name": "m.onnx", "sha256": "0", "bytes": 1},
    machine={"cpu": "a processor", "usable_cores": 2},
    versions={"onnxruntime": "1.31.1"},
    settings={"runs": 2, "batch": 1, "threads": 1, "device": "cpu", "period_ns": 10_000_000},
    series=(
        make_series("back_to_back", [[5_000] * 1000, [6_000] * 999 + [90_000]]),
        make_series("paced", [[200_000] * 50, [400_000] * 49 + [11_000_000]], period_ns=10_000_000),
        make_series("at_500", [[7_000] * 100, [7_000] * 100]),
    ),
    load_ns=(20_000_000, 30_000_000),
    first_step_ns=(300_000, 300_000),
    peak_rss_bytes=(60 * 2**20, None),
    state_bytes=64,
)


def test_tells_a_result() -> None:
    assert describe(Path("m.onnx"), LATENCY).splitlines() == [
        "m.onnx: 2 processes, batch 1, 1 thread, cpu",
        "a processor, 2 cores, onnxruntime 1.31.1",
        "",
        "step            samples    p50     p90     p99     max    p50 by process    late",
        "back to back    2 x 1,000  5.5 us  5.5 us  5.5 us  90 us  5 us to 6 us",
        "paced at 10 ms  2 x 50     300 us  -       -       11 ms  200 us to 400 us  1",
        "at 500          2 x 100    7 us    7 us    -       7 us   7 us",
        "",
        "cold start  load 20 ms to 30 ms, first step 300 us",
        "memory      64 B of state per further stream, 60.0 MiB in the whole process",
        "note        p90 needs 100 samples in every run, a run has 50",
        "note        p99 needs 1000 samples in every run, a run has 100",
        "note        p99 needs 1000 samples in every run, a run has 50",
        "doubt       paced: the median of one process is 2.00 times that of another",
    ]


def test_options_are_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = []

    def measure(path: Path, **given: object) -> Latency:
        del given["progress"]
        calls.append((path, given))
        return LATENCY

    monkeypatch.setattr(runtime, "measure", measure)
    path = Path(handmade.gru().save(tmp_path / "m.onnx"))
    assert CliRunner().invoke(main, ["bench", str(path)]).exit_code == 0
    options = [
        "--period=2ms",
        "--steps=5",
        "--runs=2",
        "--warmup=0",
        "--batch=3",
        "--threads=2",
        "--device=cpu",
        "--at=9",
    ]
    assert CliRunner().invoke(main, ["bench", str(path), *options]).exit_code == 0
    assert calls == [
        (path, {"period": 0.01, "runs": 3}),
        (
            path,
            {
                "period": 0.002,
                "steps": 5,
                "runs": 2,
                "warmup": 0,
                "batch": 3,
                "at": (9,),
                "device": "cpu",
                "threads": 2,
            },
        ),
    ]


def test_measures_a_file(tmp_path: Path) -> None:
    path = handmade.gru().save(tmp_path / "m.onnx")
    result = CliRunner().invoke(main, ["bench", path, "--steps=3", "--runs=1", "--period=1ms", "--json", "-"])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["format"] == "edgeseq.latency"
    assert [series["counts"] for series in document["series"]] == [[3], [3], [3]]
