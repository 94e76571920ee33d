"""The form of a measurement: counts, refused quantiles, JSON. No figure is judged here."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeseq import runtime
from edgeseq.errors import ModelFileError, ProviderError, UsageError
from edgeseq.modelfile import read_model_file
from edgeseq.runtime.measuring.deadline import Deadline, check_steps, count_misses, steps_to_judge
from edgeseq.runtime.measuring.machine import machine
from edgeseq.runtime.measuring.processes import run_once
from edgeseq.runtime.measuring.samples import Raw
from edgeseq.runtime.measuring.series import make_series, nearest_rank, samples_needed
from edgeseq.runtime.measuring.settings import Settings
from tests import handmade


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return handmade.attention(64).save(tmp_path_factory.mktemp("measuring") / "attention.onnx")


@pytest.fixture(scope="module")
def latency(path: str) -> runtime.Latency:
    return runtime.measure(path, steps=120, period=0.0005, runs=2, warmup=5, at=[3, 60], deadline=0.0002)


def test_every_step_is_kept(latency: runtime.Latency) -> None:
    assert [series.mode for series in latency.series] == ["back_to_back", "paced", "paced_step", "at_3", "at_60"]
    for series in latency.series:
        assert len(series.counts) == 2
        assert series.samples_ns is not None
        assert tuple(len(run) for run in series.samples_ns) == series.counts
        assert sum(series.histogram_counts) == sum(series.counts)
        assert series.p50_ns is not None
        assert series.max_ns.median_ns is not None
        assert 0 < series.p50_ns <= series.max_ns.median_ns
    assert latency.of("back_to_back").counts == (120, 120)
    assert latency.of("paced").misses is not None
    assert latency.of("paced_step").misses is None


def test_no_quantile_without_the_samples(latency: runtime.Latency) -> None:
    p99 = latency.of("back_to_back").quantiles["p99"]
    assert p99.median_ns is None
    assert p99.refused == "p99 needs 1,000 samples in every run, a run has 120"
    assert latency.of("back_to_back").quantiles["p90"].refused is None


def test_a_result_says_what_made_it(latency: runtime.Latency, path: str) -> None:
    assert latency.file["name"] == "attention.onnx"
    assert latency.file["bytes"] == Path(path).stat().st_size
    assert len(latency.file["sha256"]) == 64
    assert latency.file["digest"] == read_model_file(path).digest
    assert latency.versions.keys() == {"edgeseq", "onnxruntime", "numpy", "python"}
    assert latency.machine["cpu"]
    assert latency.machine == machine()
    assert latency.settings["period_ns"] == 500_000
    assert latency.settings["deadline_ns"] == 200_000
    assert latency.settings["frames"] == 1
    assert latency.state_bytes > 0
    assert str(Path(path).parent) not in latency.to_json()


def test_json_round_trip(latency: runtime.Latency) -> None:
    document = json.loads(latency.to_json())
    assert (document["format"], document["version"]) == ("edgeseq.latency", 2)
    assert runtime.Latency.from_json(latency.to_json()) == latency
    assert latency.deadline is not None


def test_a_broken_deadline_is_refused(latency: runtime.Latency) -> None:
    document = {**json.loads(latency.to_json()), "deadline": {"deadline_ns": 5}}
    with pytest.raises(UsageError, match=r"^broken latency result: KeyError: 'steps'"):
        runtime.Latency.from_json(json.dumps(document))


def test_every_paced_step_is_held_against_the_deadline(latency: runtime.Latency) -> None:
    paced = latency.of("paced")
    assert latency.deadline is not None
    assert paced.samples_ns is not None
    assert latency.deadline.deadline_ns == 200_000
    assert latency.deadline.steps == paced.counts
    assert latency.deadline.misses == tuple(int((run > 200_000).sum()) for run in paced.samples_ns)


def test_what_misses_a_deadline() -> None:
    runs = [Raw(np.array([99, 100, 101, 102])), Raw(np.array([100] * 4))]
    deadline = count_misses(100, runs)
    assert deadline == Deadline(100, (4, 4), (2, 0))
    assert (deadline.share, deadline.worst_share) == (0.25, 0.5)


@pytest.mark.parametrize(("misses", "met"), [((10, 10), True), ((11, 0), False), ((0, 11), False), ((0, 0), True)])
def test_the_worst_process_is_judged(misses: tuple[int, int], met: bool) -> None:
    assert Deadline(100, (1000, 1000), misses).meets(0.01) is met


def test_nothing_is_judged_without_the_samples() -> None:
    with pytest.raises(UsageError) as caught:
        Deadline(100, (10_000, 9_999), (0, 0)).meets(0.001)
    assert str(caught.value) == (
        "too few steps to judge a share of 0.1 % (got 9,999 per process, wanted 10,000). "
        "Measure with --steps 10000 (steps=10000)."
    )
    assert Deadline(100, (10_000, 10_000), (0, 0)).meets(0.001)


@pytest.mark.parametrize(
    ("share", "steps"), [(0.1, 100), (0.01, 1000), (0.001, 10_000), (0.003, 3334), (0.0001, 10**5)]
)
def test_how_many_steps_a_share_needs(share: float, steps: int) -> None:
    assert steps_to_judge(share) == steps
    check_steps(steps, share)
    with pytest.raises(UsageError):
        check_steps(steps - 1, share)


@pytest.mark.parametrize("share", [0, 1, -0.5, 2])
def test_a_share_that_means_nothing(share: float) -> None:
    with pytest.raises(UsageError, match=r"^max_miss must be a share above 0 and below 1 \(got"):
        check_steps(10**9, share)


def test_steps_of_several_frames(tmp_path: Path) -> None:
    path = handmade.strided_conv().save(tmp_path / "m.onnx")
    latency = runtime.measure(path, steps=5, runs=1, warmup=0, chunk=6, at=[20])
    assert latency.settings["frames"] == 6
    assert latency.of("back_to_back").counts == (5,)
    assert latency.deadline is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot read the latency result: it is not JSON"),
        ("[]", "this is not a latency result"),
        ('{"format": "edgeseq.latency", "version": 1}', "unknown version of a latency result (got 1, wanted 2)."),
        ('{"format": "edgeseq.latency", "version": 2}', "broken latency result: KeyError: 'file'."),
    ],
)
def test_other_json_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        runtime.Latency.from_json(text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 0}, "steps must be a whole number from 1 (got 0)."),
        ({"runs": 1.5}, "runs must be a whole number from 1 (got 1.5)."),
        ({"warmup": -1}, "warmup must be a whole number from 0 (got -1)."),
        ({"period": 0}, "period must be a number of seconds above 0 (got 0)."),
        ({"period": "10ms"}, "period must be a number of seconds above 0 (got '10ms')."),
        ({"deadline": 0, "period": 0.01}, "deadline must be a number of seconds above 0 (got 0)."),
        ({"deadline": 0.01}, "a deadline is held against paced steps (wanted a period beside it)."),
        ({"chunk": 0}, "chunk must be a whole number from 1 (got 0)."),
        ({"chunk": 65}, "chunk is more than the model's context (got 65, wanted at most 64)."),
        (
            {"at": [65]},
            "there are no steps to time around that position: the model's context ends before it "
            "(got at 65, wanted at most 64).",
        ),
        ({"at": [0]}, "position 0 of at must be a whole number from 1 (got 0)."),
    ],
)
def test_wrong_arguments(path: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        runtime.measure(path, **arguments)
    assert str(caught.value) == message


def test_a_bad_file_is_refused_before_any_process(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError):
        runtime.measure(tmp_path / "no.onnx")


def test_a_failing_process_is_reported(tmp_path: Path) -> None:
    settings = Settings(str(tmp_path / "no.onnx"), 1, None, 0, 1, 1, "cpu", 1, (), 1, 0)
    with pytest.raises(ProviderError, match=r"^a measuring process failed at .*there is no file"):
        run_once(settings)


@pytest.mark.parametrize("made", [handmade.scaled_sum(), handmade.embedding(), handmade.strided_conv()])
def test_any_contract_can_be_measured(tmp_path: Path, made: handmade.Handmade) -> None:
    seen: list[tuple[int, int]] = []
    path = made.save(tmp_path / "m.onnx")
    latency = runtime.measure(
        path, steps=20, runs=1, warmup=0, batch=2, progress=lambda done, runs: seen.append((done, runs))
    )
    assert seen == [(1, 1)]
    assert latency.doubts == ("one process only, nothing is known about other ones",)


def test_a_doubt_about_one_process_stands_once(latency: runtime.Latency) -> None:
    paced = [make_series(mode, [[100] * 30], 10**6) for mode in ("back_to_back", "paced", "paced_step")]
    assert replace(latency, series=tuple(paced)).doubts == ("one process only, nothing is known about other ones",)


def test_a_chunk_that_fills_no_calls(tmp_path: Path) -> None:
    path = handmade.strided_conv().save(tmp_path / "m.onnx")
    with pytest.raises(UsageError) as caught:
        runtime.measure(path, chunk=3)
    assert str(caught.value) == "chunk must fill whole calls (got 3, wanted a multiple of 2)."


def test_doubt_about_a_period_that_is_too_short(latency: runtime.Latency) -> None:
    late = make_series("paced", [[200] * 14 + [201] * 16, [200] * 15 + [201] * 15], 200)
    half = make_series("paced", [[200] * 15 + [201] * 15] * 2, 200)
    doubts = ("paced: most steps ended after the next was due, so that lateness adds up",)
    assert replace(latency, series=(late,)).doubts == doubts
    assert replace(latency, series=(half,)).doubts == ()


def test_doubt_about_processes_that_differ(latency: runtime.Latency) -> None:
    unsteady = replace(latency, series=(make_series("back_to_back", [[100] * 30, [150] * 30]),))
    assert unsteady.doubts == ("back_to_back: the median of one process is 1.50 times that of another",)


@pytest.mark.parametrize(("share", "needed"), [(0.5, 20), (0.9, 100), (0.99, 1000), (0.999, 10_000)])
def test_samples_needed(share: float, needed: int) -> None:
    assert samples_needed(share) == needed


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.9, 90), (0.99, 99), (1.0, 100)])
def test_nearest_rank_is_a_sample(share: float, value: int) -> None:
    assert nearest_rank(list(range(100, 0, -1)), share) == value


def test_the_peak_of_memory_is_that_of_the_process_alone(path: str) -> None:
    """A parent that once held a gigabyte leaves no trace; ``ru_maxrss`` would show it."""
    code = f"""
import numpy, sys
numpy.ones(2**27)
from edgeseq import runtime
found = runtime.measure({path!r}, steps=1, runs=1, warmup=0)
print(found.peak_rss_bytes[0])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 2**24 < int(done.stdout) < 2**29


def test_a_result_tells_what_else_a_process_takes(latency: runtime.Latency) -> None:
    for values in (latency.import_ns, latency.load_ns, latency.first_step_ns, latency.cold_start_ns):
        assert len(values) == 2
        assert min(values) > 0
    for started, parts in zip(
        latency.cold_start_ns,
        zip(latency.import_ns, latency.load_ns, latency.first_step_ns, strict=True),
        strict=True,
    ):
        assert started > sum(parts)
    assert latency.state_bytes_at["60"] > latency.state_bytes_at["3"]
    assert set(latency.cpu_ns) == {"back_to_back", "paced"}
    assert all(clock["overhead_ns"] > 0 for clock in latency.clock)


@pytest.mark.parametrize("pool", [False, True])
def test_several_streams_are_due_at_once(tmp_path: Path, pool: bool) -> None:
    path = handmade.gru().save(tmp_path / "m.onnx")
    latency = runtime.measure(path, steps=5, runs=1, warmup=0, period=0.001, streams=3, pool=pool, busy_thread=True)
    assert latency.of("paced").counts == ((5,) if pool else (6,))
    assert latency.settings["busy_thread"] is True


def test_a_duration_in_place_of_steps(tmp_path: Path) -> None:
    path = handmade.gru().save(tmp_path / "m.onnx")
    latency = runtime.measure(path, runs=1, period=0.002, duration=0.02)
    assert latency.of("paced").counts == (10,)
    assert latency.of("back_to_back").counts[0] > 1


def test_a_known_delay_is_in_every_step(tmp_path: Path) -> None:
    path = str(Path(handmade.gru().save(tmp_path / "m.onnx")))
    settings = Settings(path, 30, None, 0, 1, 1, "cpu", 1, (), 1, 0, delay_ns=2_000_000)
    assert run_once(settings).samples["back_to_back"].quantile(0.01) >= 2_000_000
