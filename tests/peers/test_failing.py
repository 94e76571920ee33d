"""An engine that fails is in the result with its reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers import measuring, preparing
from benchmarks.peers.cases import CASES
from benchmarks.peers.measuring import Settings
from benchmarks.peers.preparing import Prepared
from benchmarks.peers.processes import Failed, run
from benchmarks.peers.table import ENGINES, Engine

CASE = CASES["gru-1x128"]


def test_engine_without_its_module_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="No module named 'benchmarks"):
        run("prepare", Engine("Absent", "absent", ("absent",)), CASE, tmp_path)


def test_engine_without_its_environment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Failed, match="No such file"):
        run("prepare", Engine("Absent", "edgeseq", (), environment="absent"), CASE, tmp_path)


@pytest.mark.parametrize(("furthest", "refused"), [(1e-6, False), (0.1, True), (float("nan"), True)])
def test_wrong_answers_are_not_timed(
    furthest: float, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"steps": 256, "furthest": furthest, "largest": 1.0}
    monkeypatch.setattr(preparing, "start", lambda command: None)
    monkeypatch.setattr(preparing, "run", lambda job, *rest: found if job == "compare" else {})
    item = preparing.prepare([ENGINES["ncnn"]], [CASE], tmp_path, lambda line: None)[0]
    assert (item.refused is not None) == refused
    assert [kept.refused for kept in preparing.prepared(tmp_path)] == [item.refused]


def test_run_that_fails_is_in_the_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(job: str, engine: Engine, *rest: Any) -> dict[str, Any]:
        if engine.module == "ncnn":
            raise Failed("segmentation fault")
        return {"import_ns": 1, "load_ns": 2, "series": {"back_to_back": [5] * 100}}

    monkeypatch.setattr(measuring, "run", broken)
    monkeypatch.setattr(measuring, "installed", lambda engine: {"versions": {}, "bytes": 1, "missing": None})
    ready = [Prepared(name, CASE.slug, None, 256, 0.0, 1.0) for name in ("edgeseq", "ncnn")]
    refused = Prepared("litert", CASE.slug, "no wheel")
    result = measuring.measure([*ready, refused], tmp_path, Settings(runs=2, paced=()), lambda line: None)
    assert [(item.engine, item.refused) for item in result.of(CASE.slug)] == [
        ("edgeseq", None),
        ("litert", "no wheel"),
        ("ncnn", "a run failed: segmentation fault"),
    ]
    assert result.of(CASE.slug)[0].median_ns("back_to_back", "p50") == 5
    assert "p99 needs 1,000 samples" in result.of(CASE.slug)[0].series["back_to_back"]["p99"]["refused"]


def test_slow_engines_sit_out_later_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = {"import_ns": 1, "series": {"back_to_back": [5] * 30}}
    monkeypatch.setattr(measuring, "run", lambda *given: report)
    monkeypatch.setattr(measuring, "installed", lambda engine: {"versions": {}, "bytes": 1, "missing": None})
    ready = [Prepared(name, CASE.slug, None, 256, 0.0, 1.0) for name in ("edgeseq", "torch_compile")]
    result = measuring.measure(ready, tmp_path, Settings(runs=3, slow_runs=1, slow_s=0.0, paced=()), lambda line: None)
    assert [len(item.figures["import_ns"]) for item in result.of(CASE.slug)] == [3, 1]


def test_no_round_begins_that_would_end_too_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 20))
    monkeypatch.setattr("time.monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(measuring, "run", lambda *given: {"import_ns": 1, "series": {"back_to_back": [5] * 30}})
    monkeypatch.setattr(measuring, "installed", lambda engine: {"versions": {}, "bytes": 1, "missing": None})
    ready = [Prepared("edgeseq", CASE.slug, None, 256, 0.0, 1.0)]
    result = measuring.measure(ready, tmp_path, Settings(runs=9, minutes=5, paced=()), lambda line: None)
    # A look at the clock takes 20 s here, so a round is judged to take 20 s; the fourth begins after 280 s.
    assert result.settings["runs"] == 4
