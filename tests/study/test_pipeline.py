"""The whole study at tiny size: trained, exported, quantized, measured by ``edgeseq compare``, written down."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.study import __main__ as study
from benchmarks.study import catalogue, exporting, jobs, records
from benchmarks.study.catalogue import QUESTIONS
from benchmarks.study.experiments import Experiment, experiments, qualities
from benchmarks.study.exporting import file_of
from benchmarks.study.jobs import Job
from benchmarks.study.kinds import KINDS
from benchmarks.study.measure import keep
from benchmarks.study.quality import equals
from benchmarks.study.reading import read_results
from benchmarks.study.trying import Budget
from benchmarks.tasks.dataset import Dataset, Split
from edgeseq.errors import UsageError

FRAMES = 24


def beats(examples: int) -> Split:
    """Frames like those of an ECG, whose class is the sign of their sum so far."""
    inputs = np.random.default_rng(examples).standard_normal((examples, FRAMES, 16)).astype(np.float32)
    return Split(inputs, (inputs[:, :, 0].cumsum(axis=1) > 0).astype(np.int64))


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["study", *map(str, arguments)])
    study.main()


@pytest.mark.parametrize("kinds", [("lstm",), pytest.param(("gru", "tcn"), marks=pytest.mark.thorough)], ids="-".join)
def test_from_data_to_page(kinds: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Dataset(beats(24), beats(8), beats(9))
    monkeypatch.setattr(exporting, "QUANTIZED_KINDS", ("gru",))
    tiny = replace(QUESTIONS["ecg"], kinds=kinds, crop=FRAMES, batch=8, steps=5, parameters=1, read=lambda folder: data)
    monkeypatch.setitem(QUESTIONS, "ecg", tiny)
    for job in (Job("ecg", kind) for kind in kinds):
        jobs.one(job, tmp_path, tmp_path / "out", Budget(rates=(1e-3,)))
        exporting.export_one(job, tmp_path / "out")
    assert file_of(tmp_path / "out", Job("ecg", "gru"), "int8").exists() == ("gru" in kinds)
    asked = Experiment("position", "", "ecg", kinds, ("--period", "1ms", "--at", "8,16", "--no-floor"), 20, 1)
    monkeypatch.setattr(study, "experiments", lambda out: {"position": asked})
    results = tmp_path / "results"
    run(monkeypatch, "measure", "--out", tmp_path / "out", "--results", results)
    run(monkeypatch, "page", "--results", results, "--docs", tmp_path / "docs")
    found = read_results(results)
    assert list(found.experiments["position"].files) == list(kinds)
    assert found.experiments["position"].files[kinds[0]].quality is not None
    assert str(tmp_path) not in (results / "position.json").read_text()
    assert found.experiments["position"].identity in (tmp_path / "docs" / "study.md").read_text()


def test_experiments_ask_for_files_of_their_task_and_for_enough_processes(tmp_path: Path) -> None:
    for experiment in (*experiments(tmp_path).values(), *qualities()):
        folder = tmp_path / "files" / experiment.task
        folder.mkdir(parents=True, exist_ok=True)
        for name in experiment.files:
            assert name.partition("-int")[0].partition("-x")[0] in QUESTIONS[experiment.task].kinds
            (folder / f"{name}.onnx").touch()
        command = experiment.command(tmp_path, tmp_path / "r.json", 2, 30)
        assert sum(part.endswith(".onnx") for part in command) == len(experiment.files)
        assert int(command[command.index("--runs") + 1]) <= 2
        assert int(command[command.index("--steps") + 1]) <= 30
    assert set(experiments(tmp_path)["position"].files) == set(KINDS)


def test_who_knows_nothing_names_the_most_frequent_class_or_no_change(tmp_path: Path) -> None:
    targets = {"speech": np.array([2, 2, 2, 1]), "stocks": np.array([[[1.0], [np.nan], [-3.0]]])}
    for task, values in targets.items():
        (tmp_path / task).mkdir()
        np.savez(tmp_path / task / "evaluation.npz", targets=values)
    assert records.baseline("speech", tmp_path) == 0.75
    assert records.baseline("stocks", tmp_path) == 5.0
    assert records.baseline("ecg", tmp_path) is None


def test_what_is_no_experiment_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no such experiment"):
        run(monkeypatch, "measure", "--out", tmp_path, "--results", tmp_path, "--only", "nothing")


def test_the_smallest_model_that_is_good_enough_is_picked(tmp_path: Path) -> None:
    sizes: dict[str, dict[float, float]] = {
        "gru": {0.5: 0.80, 1: 0.90, 2: 0.99},
        "transformer": {0.5: 0.86, 1: 0.95},
        "rnn": {1: 0.5, 2: 0.6},
    }
    for kind, metrics in sizes.items():
        for size, metric in metrics.items():
            folder = tmp_path / Job("ecg", kind, size).folder
            folder.mkdir(parents=True)
            summary = {"test_metric": metric, "parameters": round(4e5 * size)}
            (folder / "summary.json").write_text(json.dumps(summary))
    found = {pick.kind: (pick.size, pick.reached) for pick in equals(tmp_path)}
    assert found == {"rnn": (2, False), "gru": (1, True), "transformer": (0.5, True)}
    names = experiments(tmp_path)["equal-quality"].files
    assert names == ("gru", "transformer-x0.5")
    assert catalogue.TRIED < 1


def test_of_qualities_no_times_are_kept(tmp_path: Path) -> None:
    file = {"name": "gru.onnx", "bytes": 5}
    for timed in (True, False):
        latency = {"file": file, "series": [{"mode": "back_to_back", "timeline_ns": [7]}]}
        comparison = {"subjects": [{"name": "gru.onnx", "latency": latency}], "differences": [1], "sentences": ["a"]}
        experiment = replace(qualities()[0], timed=timed)
        path = keep(experiment, comparison, ["compare", "/home/me/gru.onnx", "--runs", "1"], tmp_path)
        kept = json.loads(path.read_text())
        assert kept["command"] == "edgeseq compare gru.onnx --runs 1"
        series = [{"mode": "back_to_back", "timeline_ns": []}] if timed else []
        assert kept["comparison"]["subjects"][0]["latency"] == {"file": file, "series": series}
        assert kept["comparison"]["differences"] == ([1] if timed else [])
        assert kept["id"].startswith(f"{experiment.name}-")
