"""One model of the study: every rate is tried, the best goes on, and a stop changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.study import jobs, trying
from benchmarks.study.catalogue import QUESTIONS, Question
from benchmarks.study.trying import Budget, restored, trained
from benchmarks.tasks.dataset import Dataset, Split
from benchmarks.tasks.training import Training

LENGTH = 12


def counting(examples: int) -> Split:
    """Frames whose class is the sign of their sum so far: it can be learned."""
    inputs = np.random.default_rng(examples).standard_normal((examples, LENGTH, 16)).astype(np.float32)
    return Split(inputs, (inputs[:, :, 0].cumsum(axis=1) > 0).astype(np.int64))


DATA = Dataset(counting(40), counting(12), counting(13))


def question(**more: object) -> Question:
    return replace(QUESTIONS["ecg"], crop=LENGTH, batch=8, steps=20, parameters=1, read=lambda folder: DATA, **more)  # type: ignore[arg-type]


def test_every_rate_has_the_same_budget_and_the_best_goes_on(tmp_path: Path) -> None:
    budget = Budget(rates=(1e-5, 5e-3))
    made = trained(question(), "gru", DATA, tmp_path, budget, lambda _: None)
    assert [(trial["rate"], trial["steps"]) for trial in made["trials"]] == [(1e-5, 4), (5e-3, 4)]
    assert made["rate"] == 5e-3
    assert [row["step"] for row in made["curve"]] == [4, 8, 12, 16, 20]
    assert made["curve"][0]["valid_loss"] == made["trials"][1]["valid_loss"]
    assert {path.name for path in tmp_path.iterdir()} == {
        "checkpoint.pt",
        "curve.json",
        "summary.json",
        "trials.json",
    }
    assert json.loads((tmp_path / "summary.json").read_text()) == made


def stopping(lines: int) -> Callable[[str], None]:
    """Stop at this line of progress."""
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if len(said) == lines:
            raise KeyboardInterrupt

    return say


def test_a_stop_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, budget = question(), Budget(rates=(1e-3, 5e-3))
    whole = trained(asked, "lstm", DATA, tmp_path / "whole", budget, lambda _: None)
    for lines in (1, 3):
        with pytest.raises(KeyboardInterrupt):
            trained(asked, "lstm", DATA, tmp_path / "stopped", budget, stopping(lines))
    resumed = trained(asked, "lstm", DATA, tmp_path / "stopped", budget, lambda _: None)
    assert (resumed["rate"], resumed["test_loss"]) == (whole["rate"], whole["test_loss"])
    before = restored(asked, "lstm", tmp_path / "whole").state_dict()
    for name, weights in restored(asked, "lstm", tmp_path / "stopped").state_dict().items():
        assert torch.equal(weights, before[name])
    monkeypatch.setattr(Training, "run", None)
    assert trained(asked, "lstm", DATA, tmp_path / "whole", budget, lambda _: None) == whole


def test_a_loss_that_is_no_number_does_not_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = trying.judged

    def broken(asked: Question, model: torch.nn.Module, split: Split) -> dict[str, float]:
        found = honest(asked, model, split)
        return (
            found
            if float(next(model.parameters()).detach().abs().max()) < 0.9
            else {**found, "valid_loss": float("nan")}
        )

    monkeypatch.setattr(trying, "judged", broken)
    made = trained(question(), "rnn", DATA, tmp_path, Budget(rates=(1.0, 1e-3)), lambda _: None)
    assert made["rate"] == 1e-3
    assert made["trials"][0]["valid_loss"] is None


def test_jobs_are_the_matrix_and_the_ladder_beside_it() -> None:
    matrix = list(jobs.matrix((), ()))
    assert len(matrix) == len({job.folder for job in matrix}) == sum(len(q.kinds) for q in QUESTIONS.values())
    assert {job.kind for job in jobs.matrix(("vowels",), ())} == {"gru_seq2seq", "transformer_seq2seq"}
    folders = {job.folder for job in jobs.ladder((), ())}
    assert not folders & {job.folder for job in matrix}
    assert "ecg/gru-x0.5" in folders


def test_a_job_leaves_data_to_measure_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "QUESTIONS", {"ecg": question()})
    said = jobs.one(jobs.Job("ecg", "gru"), tmp_path, tmp_path / "out", Budget(rates=(1e-3,)))
    assert said.startswith("ecg/gru: macro_f1 ")
    with np.load(tmp_path / "out" / "ecg" / "evaluation.npz") as arrays:
        assert {name: array.shape for name, array in arrays.items()} == {"frames": (13, 12, 16), "targets": (13, 12)}
    with np.load(tmp_path / "out" / "ecg" / "calibration.npz") as arrays:
        assert list(arrays) == ["frames"]
