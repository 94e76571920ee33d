"""Trains one model of the study: every learning rate is tried for the first steps, the best goes on to the end.

A folder has ``trials.json``, ``curve.json`` and a checkpoint while it trains, and ``summary.json`` when it is done.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.study.catalogue import RATES, REPORTS, TRIED, Question
from benchmarks.tasks import metrics
from benchmarks.tasks.dataset import Dataset, Split
from benchmarks.tasks.models import parameters
from benchmarks.tasks.training import Plan, Row, Training, device_of, mean_loss

Say = Callable[[str], None]


@dataclass(frozen=True)
class Budget:
    """What every model gets: a share of its question's steps, the rates that are tried, a seed, a device."""

    share: float = 1.0
    rates: Sequence[float] = RATES
    seed: int = 0
    device: str = "cpu"

    def plan(self, question: Question) -> Plan:
        """The plan without its rate: steps are a whole number of reports."""
        steps = max(REPORTS, round(question.steps * self.share / REPORTS) * REPORTS)
        return Plan(steps, question.batch, reports=REPORTS, seed=self.seed)


def trained(
    question: Question, kind: str, data: Dataset, folder: Path, budget: Budget, say: Say, size: float = 1.0
) -> dict[str, Any]:
    """Train a model of a kind from where the folder is; its summary, which is written last."""
    done = folder / "summary.json"
    if done.exists():
        return dict(json.loads(done.read_text(encoding="utf-8")))
    plan = budget.plan(question)
    trials = _tried(question, kind, data, folder, budget, plan, say, size)
    best = min(trials, key=lambda trial: math.inf if trial["valid_loss"] is None else trial["valid_loss"])
    plan = replace(plan, learning_rate=best["rate"])
    _begin(folder / _name(best["rate"]), folder)
    training = _training(question, kind, data, folder, plan, budget, size)
    training.run(_saying(say, plan))
    summary = _summary(question, kind, training, data.test, trials, best["rate"])
    _written(done, summary)
    return summary


def restored(question: Question, kind: str, folder: Path, size: float = 1.0) -> nn.Module:
    """The model of a folder that is done, with its best weights, on the CPU."""
    model = question.make(kind, size)
    saved = torch.load(folder / "checkpoint.pt", weights_only=True, map_location="cpu")
    model.load_state_dict(saved["best"])
    return model.eval()


def judged(question: Question, model: nn.Module, split: Split) -> Row:
    """Loss and metric on a split, of the model as it is used."""
    if question.metric is metrics.perplexity:
        loss = mean_loss(model, split, question.loss, question.batch)
        return {"valid_loss": loss, "valid_metric": math.exp(min(loss, 80.0))}
    loss = mean_loss(model, split, question.loss, 4 * question.batch)
    metric = question.metric({"output": answers(question, model, split)}, question.arrays(split))
    return {"valid_loss": loss, "valid_metric": metric}


@torch.no_grad()
def answers(question: Question, model: nn.Module, split: Split) -> Any:
    """What the module says of whole examples."""
    named, device, parts = question.arrays(split), device_of(model), []
    for start in range(0, len(split), 4 * question.batch):
        rows = slice(start, start + 4 * question.batch)
        parts.append(model(*(torch.from_numpy(named[name][rows]).to(device) for name in question.inputs)).cpu().numpy())
    return np.concatenate(parts)


def _tried(
    question: Question, kind: str, data: Dataset, folder: Path, budget: Budget, plan: Plan, say: Say, size: float
) -> list[dict[str, Any]]:
    """A row for every rate: loss and metric behind the first share of the steps; None where they are no numbers."""
    kept = folder / "trials.json"
    if kept.exists():
        return list(json.loads(kept.read_text(encoding="utf-8")))
    rows = []
    for rate in budget.rates:
        beginning = folder / _name(rate)
        training = _training(question, kind, data, beginning, replace(plan, learning_rate=rate), budget, size)
        training.run(_saying(say, plan, f"rate {rate:g}, "), until=_first(plan))
        last = training.rows[-1]
        found = {name: last[name] if math.isfinite(last[name]) else None for name in ("valid_loss", "valid_metric")}
        rows.append({"rate": rate, "steps": last["step"], **found})
    _written(kept, rows)
    return rows


def _first(plan: Plan) -> int:
    return round(plan.steps * TRIED)


def _name(rate: float) -> str:
    return f"rate-{rate:g}"


def _begin(trial: Path, folder: Path) -> None:
    """Go on from the trial's checkpoint, unless the folder is further; the trials are then no longer needed."""
    if not (folder / "checkpoint.pt").exists():
        shutil.copy(trial / "checkpoint.pt", folder / "checkpoint.new")
        os.replace(folder / "checkpoint.new", folder / "checkpoint.pt")
    for other in folder.glob("rate-*"):
        shutil.rmtree(other)


def _training(
    question: Question, kind: str, data: Dataset, folder: Path, plan: Plan, budget: Budget, size: float
) -> Training:
    torch.manual_seed(plan.seed)
    model = question.make(kind, size).to(budget.device)
    watched = replace(data, valid=data.valid.spread(question.watched))
    train_on = question.training_loss or question.loss
    return Training(
        model, watched, plan, folder, question.loss, train_on, lambda model, split: judged(question, model, split)
    )


def _summary(
    question: Question, kind: str, training: Training, test: Split, trials: list[dict[str, Any]], rate: float
) -> dict[str, Any]:
    found = judged(question, training.model, test.spread(question.most))
    size = parameters(training.model)
    return {
        "task": question.name,
        "kind": kind,
        "parameters": size,
        "without_tables": size - question.tables(),
        "steps": training.plan.steps,
        "epochs": training.rows[-1]["epoch"],
        "rate": rate,
        "seed": training.plan.seed,
        "minutes": training.minutes,
        "metric": question.metric.__name__,
        "test_metric": found["valid_metric"],
        "test_loss": found["valid_loss"],
        "trials": trials,
        "curve": training.rows,
    }


def _written(path: Path, content: Any) -> None:
    scratch = path.with_suffix(".new")
    scratch.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    os.replace(scratch, path)


def _saying(say: Say, plan: Plan, before: str = "") -> Callable[[Row], None]:
    return lambda row: say(before + _line(row, plan.steps))


def _line(row: Row, steps: int) -> str:
    return (
        f"step {row['step']:,.0f} of {steps:,}, training {row['training_loss']:.4f}, "
        f"validation {row['valid_loss']:.4f}, metric {row['valid_metric']:.4f}, {row['seconds']:.1f} s"
    )
