from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from benchmarks.peers.measuring import go_on
from benchmarks.peers.page import page
from benchmarks.peers.result import Result, Subject
from benchmarks.peers.standing import time_standing

ANSWERS = {"steps": 256, "furthest": 1e-7, "largest": 1.0}


def subject(engine: str, p50: list[int], case: str = "gru-1x128") -> Subject:
    quantile = {"runs_ns": p50, "refused": None}
    refused = {"runs_ns": [], "refused": "p99 needs 1,000 samples in every run, a run has 20"}
    figures = {name: [1e6] * len(p50) for name in ("import_ns", "load_ns", "first_step_ns", "peak_rss_bytes")}
    series = {"back_to_back": {"counts": [20] * len(p50), "p50": quantile, "p90": quantile, "p99": refused}}
    return Subject(engine, case, None, ANSWERS, figures, series)


def result(*subjects: Subject, evidence: dict[str, Any] | None = None) -> Result:
    engines: dict[str, dict[str, Any]] = {
        name: {"name": name.title(), "versions": {}, "bytes": size, "missing": None}
        for name, size in (("edgeseq", 100), ("litert", 50), ("ncnn", 200))
    }
    settings = {
        "runs": 9,
        "slow_runs": 9,
        "slow_s": 5.0,
        "steps": 20,
        "gpt_steps": 20,
        "paced_steps": 0,
        "warmup": 1,
        "period_ns": 10_000_000,
        "paced": [],
        "tolerance": 1e-4,
    }
    machine = {"cpu": "a CPU", "architecture": "x86_64", "usable_cores": 2, "cores": 2, "system": "Linux"}
    return Result("2026-01-01", machine, {"edgeseq": "0.1.0"}, settings, 0.0, engines, subjects, evidence)


SLOW, FAST = [20_000 + number for number in range(9)], [10_000 + number for number in range(9)]


def test_engine_that_wins_is_named_with_its_gap() -> None:
    text = page(result(subject("edgeseq", SLOW), subject("litert", FAST), subject("ncnn", [2 * ns for ns in SLOW])))
    won = text[text.index("## Who is better") : text.index("## Where edgeseq")]
    assert "### Litert" in won
    assert "GRU 1x128 10.0 against 20.0 us (0.50x, 0.50 to 0.50)" in " ".join(won.split())
    assert "Ncnn" not in won


def test_refused_engine_is_on_the_page_with_its_reason() -> None:
    refused = Subject("ncnn", "gru-1x128", "no wheel for this Python", {}, {}, {})
    assert "- Ncnn: not available: no wheel for this Python" in page(result(subject("edgeseq", FAST), refused))


def test_page_says_what_the_gap_is_made_of() -> None:
    found = {
        "stream_us": 21.0,
        "bound_us": 18.0,
        "bare_us": 16.0,
        "empty_graph_us": 2.0,
        "weight_bytes": 360_000,
        "read_us": 4.0,
        "products_us": 17.0,
        "kernels_us": {"GRU": 9.0, "Add": 1.0},
        "torch_ops_us": {"aten::gru": 5.0},
    }
    text = page(result(subject("edgeseq", SLOW), subject("litert", FAST), evidence={"gru-1x128": found}))
    flat = " ".join(text.split())
    assert "Litert takes 10.0 us, edgeseq 20.0 us: 10.0 us more" in flat
    assert "at least 5.0 us of it are in the kernels" in flat
    assert "A graph of its layers and head alone would save 2.0 us, 20% of the gap" in flat
    assert "| 0.36 MB | GRU 90%, Add 10% | gru 100% |" in flat


def test_equal_engines_show_no_difference() -> None:
    shaken = [ns + (500 if number % 2 else -500) for number, ns in enumerate(SLOW)]
    found = time_standing(subject("litert", shaken), subject("edgeseq", SLOW), "back_to_back", "p50")
    assert found is not None
    assert not found.sure
    text = page(result(subject("edgeseq", SLOW), subject("litert", shaken)))
    assert "no visible difference" in text


def test_few_rounds_are_sure_where_all_agree() -> None:
    found = time_standing(subject("litert", FAST[:2]), subject("edgeseq", SLOW[:2]), "back_to_back", "p50")
    assert found is not None
    assert found.wins
    assert found.low is None


def test_result_survives_json_and_refuses_another_version() -> None:
    one = result(subject("edgeseq", FAST))
    assert Result.from_json(one.to_json()).to_json() == one.to_json()
    with pytest.raises(ValueError, match="not a result of format 'edgeseq"):
        Result.from_json(one.to_json().replace('"version": 1', '"version": 9'))


def test_rounds_are_added_to_the_subjects_that_took_part() -> None:
    there = result(subject("edgeseq", SLOW[:2]), subject("litert", FAST[:2]), subject("ncnn", FAST[:2]))
    more = result(
        subject("litert", FAST[2:]),
        subject("edgeseq", SLOW[2:]),
        Subject("ncnn", "gru-1x128", "it failed", ANSWERS, {}, {}),
    )
    edgeseq, litert, ncnn = go_on(there, more).subjects
    assert (edgeseq.runs_ns("back_to_back", "p50"), litert.runs_ns("back_to_back", "p50")) == (SLOW, FAST)
    assert (ncnn.runs_ns("back_to_back", "p50"), ncnn.series["back_to_back"]["counts"]) == (FAST[:2], [20, 20])
    assert len(edgeseq.figures["load_ns"]) == 9
    assert "p99 needs" in edgeseq.series["back_to_back"]["p99"]["refused"]


def test_rounds_of_another_experiment_are_not_added() -> None:
    there, more = result(subject("edgeseq", SLOW)), result(subject("edgeseq", SLOW))
    more = replace(more, settings={**more.settings, "steps": 21}, versions={"edgeseq": "0.2.0"})
    with pytest.raises(ValueError, match="of another experiment: it differs in versions, steps"):
        go_on(there, more)
