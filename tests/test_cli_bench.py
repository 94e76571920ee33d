"""``edgeseq bench``: what it hands to the library and how it tells the result."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from edgeseq import runtime
from edgeseq.cli import main
from edgeseq.cli.bench import describe
from edgeseq.runtime.measuring.deadline import count_misses
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
        "late        paced steps that took longer than the period, from the moment they were due",
        "note        p90 needs 100 samples in every run, a run has 50",
        "note        p99 needs 1000 samples in every run, a run has 100",
        "note        p99 needs 1000 samples in every run, a run has 50",
        "doubt       paced: the median of one process is 2.00 times that of another",
    ]


#: Paced steps of two processes: one step in 100 of the first is late, none of the second.
LATE = replace(
    LATENCY, deadline=count_misses(5_000_000, [[1_000_000] * 990 + [6_000_000] * 10, [1_000_000] * 999 + [5_000_000]])
)


def test_tells_misses_and_the_frames_of_a_step() -> None:
    latency = replace(LATE, settings={**LATENCY.settings, "frames": 160})
    lines = describe(Path("m.onnx"), latency).splitlines()
    assert lines[0] == "m.onnx: 2 processes, batch 1, 1 thread, cpu, 160 frames per step"
    assert "deadline    10 of 2,000 paced steps took longer than 5 ms (0.5 %; by process 10, 0)" in lines


def test_tells_that_nothing_was_missed() -> None:
    deadline = count_misses(5_000_000, [[1_000_000] * 1000])
    lines = describe(Path("m.onnx"), replace(LATENCY, deadline=deadline)).splitlines()
    assert "deadline    0 of 1,000 paced steps took longer than 5 ms" in lines


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """``runtime.measure`` replaced by one that answers LATE; what it was called with."""
    calls: list[dict[str, object]] = []

    def measure(path: Path, **given: object) -> Latency:
        calls.append(given)
        return LATE

    monkeypatch.setattr(runtime, "measure", measure)
    return calls


def bench(tmp_path: Path, *options: str) -> Result:
    path = handmade.gru().save(tmp_path / "m.onnx")
    return CliRunner().invoke(main, ["bench", path, *options])


def test_a_deadline_that_is_met(tmp_path: Path, measured: list[dict[str, object]]) -> None:
    result = bench(tmp_path, "--deadline=5ms", "--max-miss=1%")
    assert (result.exit_code, result.stderr) == (0, "")
    assert measured[0]["deadline"] == 0.005
    assert result.stdout.splitlines()[-1] == (
        "met: in the worst process 1 % of the steps took longer than 5 ms, at most 1 % may"
    )


def test_a_deadline_that_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deadline = count_misses(5_000_000, [[1] * 1000, [1] * 989 + [6_000_000] * 11])
    monkeypatch.setattr(runtime, "measure", lambda path, **given: replace(LATENCY, deadline=deadline))
    line = "missed: in the worst process 1.1 % of the steps took longer than 5 ms, at most 1 % may\n"
    result = bench(tmp_path, "--deadline=5ms", "--max-miss=1%")
    assert (result.exit_code, result.stderr) == (1, line)
    as_json = bench(tmp_path, "--deadline=5ms", "--max-miss=1%", "--json", "-")
    assert (as_json.exit_code, as_json.stderr) == (1, line)
    assert json.loads(as_json.stdout)["judgement"] == {"max_miss": 0.01, "met": False}


def test_a_deadline_without_a_share_is_only_counted(tmp_path: Path, measured: list[dict[str, object]]) -> None:
    result = bench(tmp_path, "--deadline=5ms", "--json", "-")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["deadline"] == {"deadline_ns": 5_000_000, "steps": [1000, 1000], "misses": [10, 0]}
    assert "judgement" not in document


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--deadline=5ms", "--max-miss=0.1%"],
            "too few steps to judge a share of 0.1 % (got 1,000 per process, wanted 10,000). "
            "Measure with --steps 10000 (steps=10000).",
        ),
        (
            ["--deadline=5ms", "--max-miss=1%", "--steps=999"],
            "too few steps to judge a share of 1 % (got 999 per process, wanted 1,000). "
            "Measure with --steps 1000 (steps=1000).",
        ),
        (["--max-miss=1%"], "--max-miss is a share of missed deadlines (wanted --deadline beside it)."),
    ],
    ids=str,
)
def test_what_cannot_be_judged_is_not_measured(
    options: list[str], message: str, tmp_path: Path, measured: list[dict[str, object]]
) -> None:
    result = bench(tmp_path, *options)
    assert (result.exit_code, result.stderr) == (2, f"error: {message}\n")
    assert measured == []


@pytest.mark.parametrize(
    ("made", "options", "period"),
    [
        (handmade.gru(), [], 0.01),
        (handmade.gru().with_contract(frame_period=0.008), [], 0.008),
        (handmade.gru().with_contract(frame_period=0.008), ["--chunk=4"], 0.032),
        (handmade.gru().with_contract(frame_period=0.008), ["--period=3ms"], 0.003),
        (handmade.strided_conv().with_contract(frame_period=0.008), [], 0.016),
    ],
    ids=["none", "of the file", "of several frames", "given", "of a multiple"],
)
def test_the_period_is_that_of_the_file(
    made: handmade.Handmade, options: list[str], period: float, tmp_path: Path, measured: list[dict[str, object]]
) -> None:
    path = made.save(tmp_path / "m.onnx")
    assert CliRunner().invoke(main, ["bench", path, *options]).exit_code == 0
    assert measured[0]["period"] == period


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
        "--chunk=4",
        "--deadline=1ms",
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
                "chunk": 4,
                "deadline": 0.001,
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
