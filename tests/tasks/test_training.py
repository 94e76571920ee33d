"""Training: a stop changes nothing, the weights kept are the best, and the sampled loss estimates the whole one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.tasks.__main__ import CALIBRATED_ON, main, make
from benchmarks.tasks.catalogue import TASKS
from benchmarks.tasks.dataset import Dataset, Split
from benchmarks.tasks.losses import cross_entropy, sample, sampled_cross_entropy
from benchmarks.tasks.training import Plan, Row, Training, affordable_steps, mean_loss
from edgeseq.errors import UsageError

TASK = replace(TASKS["ptb"], words=30, answers=30, length=12, parameters=40_000, batch=8, most=4)
PLAN = Plan(steps=12, batch=8, reports=4)


def counting(examples: int) -> Split:
    """Words that follow each other: what comes next can be learned."""
    words = (np.random.default_rng(examples).integers(0, 30, (examples, 1)) + np.arange(13)) % 30
    return Split(words[:, :-1], words[:, 1:])


DATA = Dataset(counting(40), counting(8), counting(9))


def training(folder: Path, plan: Plan = PLAN) -> Training:
    torch.manual_seed(0)
    return Training(TASK.make("gru"), DATA, plan, folder, cross_entropy, cross_entropy)


def curve(rows: list[Row]) -> list[Row]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def test_a_stop_changes_nothing(tmp_path: Path) -> None:
    whole = training(tmp_path / "whole")
    whole.run(lambda _: None)
    stopped = training(tmp_path / "stopped")

    def stop(row: Row) -> None:
        if row["step"] == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped.run(stop)
    resumed = training(tmp_path / "stopped")
    assert [row["step"] for row in resumed.rows] == [3, 6]
    resumed.run(lambda _: None)
    assert curve(resumed.rows) == curve(whole.rows)
    assert [row["step"] for row in whole.rows] == [3, 6, 9, 12]
    assert json.loads((tmp_path / "stopped" / "curve.json").read_text())["rows"] == resumed.rows
    for one, other in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert not list(tmp_path.rglob("*.new"))


def test_it_learns_and_keeps_the_best(tmp_path: Path) -> None:
    trained = training(tmp_path, Plan(steps=60, batch=8, reports=6, learning_rate=1e-2))
    trained.run(lambda _: None)
    best = min(row["valid_loss"] for row in trained.rows)
    assert best < 0.5 * trained.rows[0]["valid_loss"]
    assert mean_loss(trained.model, DATA.valid, cross_entropy, 8) == pytest.approx(best, rel=1e-6)


def test_a_checkpoint_of_another_plan_is_refused(tmp_path: Path) -> None:
    training(tmp_path).run(lambda _: None)
    with pytest.raises(UsageError, match="a checkpoint was made with another plan"):
        training(tmp_path, replace(PLAN, steps=13))


def test_steps_follow_from_minutes_and_leave_the_model_alone() -> None:
    torch.manual_seed(0)
    model = TASK.make("gru")
    before = [parameter.clone() for parameter in model.parameters()]
    few, more = (affordable_steps(model, DATA, PLAN, cross_entropy, minutes) for minutes in (0.0, 1.0))
    assert few == PLAN.reports
    assert more > few
    assert all(torch.equal(one, other) for one, other in zip(before, model.parameters(), strict=True))


def test_points_of_the_curve_are_even_and_end_with_the_last_step() -> None:
    plan = Plan(steps=728, batch=1, reports=10)
    points = [step for step in range(1, 729) if plan.reports_at(step)]
    assert (len(points), points[0], points[-1]) == (10, 73, 728)
    assert [step for step in range(1, 4) if Plan(steps=3, batch=1, reports=10).reports_at(step)] == [1, 2, 3]


def test_the_rate_rises_and_falls() -> None:
    rates = [Plan(steps=100, batch=1, learning_rate=1.0).rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.01


def test_a_sampled_loss_of_all_words_is_the_whole_loss() -> None:
    torch.manual_seed(0)
    model = TASK.make("gru").eval()
    inputs, targets = (torch.from_numpy(part) for part in (DATA.train.inputs, DATA.train.targets))
    whole, sampled = (loss(model, inputs, targets).item() for loss in (cross_entropy, sampled_cross_entropy))
    assert sampled == pytest.approx(whole, rel=1e-5)


def test_a_sample_estimates_the_sum_over_all_words() -> None:
    torch.manual_seed(0)
    weights = torch.rand(1_000).double() + 0.5
    targets = torch.randint(0, 20, (64,))
    found = []
    for _ in range(200):
        words, places, chances = sample(targets, 1_000, drawn=300)
        assert torch.equal(words[places], targets)
        found.append(float((weights[words] / chances).sum()))
    assert np.mean(found) == pytest.approx(float(weights.sum()), rel=0.01)


def test_a_model_is_made_from_start_to_end(tmp_path: Path) -> None:
    made = make(TASK, "gru", DATA, tmp_path / "gru", minutes=9.0, steps=10)
    assert {file.name for file in (tmp_path / "gru").iterdir()} >= {"checkpoint.pt", "curve.json", "float.onnx"}
    assert json.loads((tmp_path / "gru" / "summary.json").read_text()) == made
    assert made["file"] == pytest.approx(made["module"], rel=1e-5)
    with np.load(tmp_path / "evaluation.npz") as arrays:
        assert {name: array.shape for name, array in arrays.items()} == {"frames": (4, 12), "targets": (4, 12)}


def test_data_to_calibrate_on_are_of_training_also_where_all_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.arange(120)[:, None] + np.zeros((1, 12), np.int64)
    many = Dataset(*(Split(rows[part], rows[part]) for part in (slice(100), slice(100, 110), slice(110, 120))))
    monkeypatch.setitem(TASKS, "ptb", replace(TASK, read=lambda folder: many))
    (tmp_path / "ptb" / "gru").mkdir(parents=True)
    (tmp_path / "ptb" / "gru" / "summary.json").write_text("{}")
    asked = ["tasks", "--data", str(tmp_path), "--out", str(tmp_path), "--task", "ptb", "--model", "gru"]
    monkeypatch.setattr("sys.argv", asked)
    main()
    with np.load(tmp_path / "ptb" / "calibration.npz") as arrays:
        assert list(arrays) == ["frames"]
        frames = arrays["frames"]
    assert frames.shape == (CALIBRATED_ON, 12)
    assert len(set(frames[:, 0])) == CALIBRATED_ON
    assert frames.max() < 100
