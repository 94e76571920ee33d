"""``edgeseq bench``: what it hands to the library and how it tells the result."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from edgeseq.cli import main
from edgeseq.cli.measured.describing import describe, describe_self_check
from edgeseq.lab import comparing
from edgeseq.lab.comparison import Comparison, Quality, Subject, compare_all
from edgeseq.lab.variants import Variant
from edgeseq.runtime.measuring.deadline import count_misses
from edgeseq.runtime.measuring.latency import Latency
from edgeseq.runtime.measuring.samples import Raw
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
    stream_bytes=4096,
    import_ns=(200_000_000, 210_000_000),
    cold_start_ns=(300_000_000, 300_000_000),
)


def single(latency: Latency = LATENCY) -> Comparison:
    return Comparison((Subject("m.onnx", latency),))


def counted(deadline_ns: int, *runs: list[int]) -> Latency:
    return replace(LATENCY, deadline=count_misses(deadline_ns, [Raw(np.array(run)) for run in runs]))


#: Paced steps of two processes: one step in 100 of the first is late, none of the second.
LATE = counted(5_000_000, [1_000_000] * 990 + [6_000_000] * 10, [1_000_000] * 999 + [5_000_000])


def test_tells_a_result() -> None:
    assert describe(single()).splitlines()[:-1] == [
        "m.onnx: 2 processes, batch 1, 1 thread, cpu",
        "a processor, 2 cores, onnxruntime 1.31.1",
        "",
        "step            samples    p50     p90     p99     p99.9  max    p50 by process    late",
        "back to back    2 x 1,000  5.5 us  5.5 us  5.5 us  -      90 us  5 us to 6 us",
        "paced at 10 ms  2 x 50     300 us  -       -       -      11 ms  200 us to 400 us  1",
        "at 500          2 x 100    7 us    7 us    -       -      7 us   7 us",
        "",
        "cold start  import 200 ms to 210 ms, load 20 ms to 30 ms, first step 300 us; from the start of the",
        "            process to the first answer 300 ms",
        "memory      64 B of state per further stream, 4.0 KiB of the process's memory; 60.0 MiB in the whole",
        "            process",
        "file        1 B",
        "warm-up     back to back 0, paced 0 steps left out",
        "late        paced steps that took longer than the period, from the moment they were due",
        "finding     bimodal: back to back: 50 % of the steps around 5.01 us, 50 % around 6.00 us, 1 of 2",
        "            processes are of the slower kind",
        "finding     bimodal: paced: 50 % of the steps around 200 us, 50 % around 400 us, 1 of 2 processes",
        "            are of the slower kind",
        "finding     unsteady: paced: the median of one process is 2.00 times that of another",
        "finding     too few samples: p90 needs 100 samples in every process, one has 50",
        "finding     too few samples: p99 needs 1,000 samples in every process, one has 50",
        "finding     too few samples: p99.9 needs 10,000 samples in every process, one has 50",
        "visible     no self-check of this machine yet: edgeseq bench M.ONNX --self-check finds what",
    ]


def test_tells_misses_and_the_way_of_stepping() -> None:
    settings = {**LATENCY.settings, "frames": 160, "streams": 4, "pool": False, "busy_thread": True}
    lines = describe(single(replace(LATE, settings=settings))).splitlines()
    assert lines[0] == (
        "m.onnx: 2 processes, batch 1, 1 thread, cpu, 160 frames per step, 4 streams in turn, beside a busy thread"
    )
    assert "deadline    10 of 2,000 paced steps took longer than 5 ms (0.5 %; by process 10, 0)" in lines


def test_tells_that_nothing_was_missed() -> None:
    lines = describe(single(counted(5_000_000, [1_000_000] * 1000))).splitlines()
    assert "deadline    0 of 1,000 paced steps took longer than 5 ms" in lines


def several(*p50: int) -> Comparison:
    """Files whose steps take so long, in ten processes that vary by half a percent."""
    subjects = []
    for place, ns in enumerate(p50):
        series = make_series("back_to_back", [[ns + run * ns // 2_000] * 20 for run in range(10)])
        file = {"name": f"{place}", "sha256": f"{place}", "bytes": 2048}
        latency = replace(LATENCY, file=file, series=(series,), settings={**LATENCY.settings, "runs": 10})
        subjects.append(Subject(f"{place}.onnx", latency, Quality("tasks:accuracy", 0.9, False)))
    return Comparison(tuple(subjects), compare_all(subjects))


def test_tells_a_comparison() -> None:
    lines = describe(several(10_000, 18_200, 10_010)).splitlines()
    assert lines[:14] == [
        "10 processes of each, taking turns in random order; batch 1, 1 thread, cpu",
        "a processor, 2 cores, onnxruntime 1.31.1",
        "",
        "        p50",
        "0.onnx  10 us",
        "1.onnx  18.2 us",
        "2.onnx  10 us",
        "",
        "        accuracy  size     state  stream   cold start",
        "0.onnx  0.9       2.0 KiB  64 B   4.0 KiB  300 ms",
        "1.onnx  0.9       2.0 KiB  64 B   4.0 KiB  300 ms",
        "2.onnx  0.9       2.0 KiB  64 B   4.0 KiB  300 ms",
        "",
        "1.onnx against 0.onnx: back to back 1.82 times as long (1.82 to 1.82)",
    ]


def test_tells_what_is_no_visible_difference() -> None:
    noisy = several(10_000, 10_000)
    subjects = noisy.subjects
    series = make_series("back_to_back", [[10_000 + (-1) ** run * run * 100] * 20 for run in range(10)])
    subjects = (subjects[0], replace(subjects[1], latency=replace(subjects[1].latency, series=(series,))))
    text = describe(Comparison(subjects, compare_all(subjects)))
    assert "1.onnx against 0.onnx: back to back no visible difference (0.9" in text


def test_tells_a_self_check() -> None:
    judged = {"p50_ns": 10_000, "called_different": 0.01, "found": {"0.05": 0.9, "0.1": 1.0}, "visible_share": 0.04}
    found = {
        "file": "m.onnx",
        "rounds": 100,
        "trials": 200,
        "runs": 10,
        "date": "2026-01-01",
        "modes": {"back_to_back": judged},
    }
    assert describe_self_check(found).splitlines()[:4] == [
        "m.onnx: 100 rounds of fresh processes, 200 comparisons of 10 of them each",
        "",
        "step          p50    equal called different  5 % found  10 % found  visible from",
        "back to back  10 us  1 %                     90 %       100 %       4 %",
    ]


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[Variant, ...], dict[str, object]]]:
    """The experiment replaced by one that finds LATE; what it was called with."""
    calls: list[tuple[tuple[Variant, ...], dict[str, object]]] = []

    def compare(variants: tuple[Variant, ...], runs: int, **given: object) -> Comparison:
        del given["progress"]
        calls.append((variants, {"runs": runs, **given}))
        return single(LATE)

    monkeypatch.setattr(comparing, "compare", compare)
    return calls


Measured = list[tuple[tuple[Variant, ...], dict[str, object]]]


def bench(tmp_path: Path, *options: str) -> Result:
    path = handmade.gru().save(tmp_path / "m.onnx")
    return CliRunner().invoke(main, ["bench", path, *options])


def test_a_deadline_that_is_met(tmp_path: Path, measured: Measured) -> None:
    result = bench(tmp_path, "--deadline=5ms", "--max-miss=1%")
    assert (result.exit_code, result.stderr) == (0, "")
    assert measured[0][1]["deadline"] == 0.005
    assert result.stdout.splitlines()[-1] == (
        "m.onnx keeps the deadline: 10 of 2,000 paced steps took longer than 5 ms, in the worst process 1 %, "
        "at most 1 % may"
    )


def test_a_deadline_that_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    late = counted(5_000_000, [1] * 1000, [1] * 989 + [6_000_000] * 11)
    monkeypatch.setattr(comparing, "compare", lambda *_, **given: single(late))
    line = (
        "m.onnx misses the deadline: 11 of 2,000 paced steps took longer than 5 ms, in the worst process 1.1 %, "
        "at most 1 % may"
    )
    result = bench(tmp_path, "--deadline=5ms", "--max-miss=1%")
    assert (result.exit_code, result.stderr) == (1, f"{line}\n")
    as_json = bench(tmp_path, "--deadline=5ms", "--max-miss=1%", "--json", "-")
    assert (as_json.exit_code, as_json.stderr) == (1, f"{line}\n")
    assert json.loads(as_json.stdout)["budgets"] == [{"subject": "m.onnx", "kept": False, "sentence": line}]


def test_a_deadline_without_a_share_is_only_counted(tmp_path: Path, measured: Measured) -> None:
    result = bench(tmp_path, "--deadline=5ms", "--json", "-")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    deadline = document["subjects"][0]["latency"]["deadline"]
    assert deadline == {"deadline_ns": 5_000_000, "steps": [1000, 1000], "misses": [10, 0]}
    assert document["budgets"][0]["kept"] is None


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
        (
            ["--deadline=5ms", "--max-miss=1%", "--duration=1s", "--period=10ms"],
            "too few steps to judge a share of 1 % (got 100 per process, wanted 1,000). "
            "Measure with --steps 1000 (steps=1000).",
        ),
        (["--max-miss=1%"], "--max-miss is a share of missed deadlines (wanted --deadline beside it)."),
        (["--steps=5", "--duration=1s"], "--steps and --duration say the same thing (wanted one of them)."),
        (["--self-check", "--batch=1,2"], "a self-check is of one way to step (got 2 ways, wanted one value each)."),
        (["--rounds=5"], "--rounds are those of a self-check (wanted --self-check beside it)."),
    ],
    ids=str,
)
def test_what_cannot_be_judged_is_not_measured(
    options: list[str], message: str, tmp_path: Path, measured: Measured
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
    made: handmade.Handmade, options: list[str], period: float, tmp_path: Path, measured: Measured
) -> None:
    path = made.save(tmp_path / "m.onnx")
    assert CliRunner().invoke(main, ["bench", path, *options]).exit_code == 0
    assert measured[0][0][0].settings.period_ns == round(period * 1e9)


def test_options_are_passed_on(tmp_path: Path, measured: Measured) -> None:
    options = ["--period=2ms", "--steps=5", "--runs=2", "--warmup=0", "--batch=3,4", "--threads=2", "--device=cpu"]
    options += ["--at=9", "--at=1,2", "--chunk=4", "--deadline=1ms", "--streams=7", "--with-busy-thread", "--no-floor"]
    assert bench(tmp_path, *options, "--seed=5").exit_code == 0
    ((variants, given),) = measured
    assert given == {"runs": 2, "deadline": 0.001, "floor": False, "streams": False, "seed": 5}
    assert [one.name for one in variants] == ["m.onnx, batch 3", "m.onnx, batch 4"]
    settings = variants[1].settings
    found = (settings.steps, settings.warmup, settings.batch, settings.threads, settings.frames, settings.streams)
    assert found == (5, 0, 4, 2, 4, 7)
    assert (settings.at, settings.busy_thread, settings.period_ns) == ((9, 1, 2), True, 2_000_000)


def test_the_most_streams_are_searched_for(tmp_path: Path, measured: Measured) -> None:
    assert bench(tmp_path, "--streams=max").exit_code == 0
    assert measured[0][1]["streams"] is True


@pytest.mark.parametrize("value", ["0", "1,,2", "x", "-1"])
def test_numbers_that_mean_nothing(tmp_path: Path, value: str) -> None:
    result = bench(tmp_path, f"--batch={value}")
    assert result.exit_code == 2
    assert "cannot read the numbers" in result.stderr


def test_measures_a_file(tmp_path: Path) -> None:
    raw = tmp_path / "raw.npz"
    result = bench(tmp_path, "--steps=3", "--runs=1", "--period=1ms", "--no-floor", "--raw", str(raw), "--json", "-")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["format"] == "edgeseq.comparison"
    assert [series["counts"] for series in document["subjects"][0]["latency"]["series"]] == [[3], [3], [3]]
    with np.load(raw) as arrays:
        assert arrays["m.onnx/paced/0"].shape == (3,)


def test_nothing_is_written_over_the_file_or_another_output(tmp_path: Path, measured: Measured) -> None:
    path = Path(handmade.gru().save(tmp_path / "m.onnx"))
    before = path.read_bytes()
    for options in (["--json", str(path)], ["--raw", f"{tmp_path}/x", "--json", f"{tmp_path}/./x"]):
        result = CliRunner().invoke(main, ["bench", str(path), *options])
        assert (result.exit_code, result.stderr[:39]) == (2, "error: two things cannot have one place")
    assert path.read_bytes() == before
    assert measured == []
