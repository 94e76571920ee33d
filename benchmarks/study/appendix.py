"""The table of the literature that this project started from, measured at its setting, with seeds and spread.

Hidden size 128, one layer, Adam at a constant 0.001, batches of 32, 64 and 10, dropout 0.5. Its source is a blog post
whose plots were random numbers. Epochs are cut: minutes of one core, not hours.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from benchmarks.study.catalogue import QUESTIONS, Question, kind_of
from benchmarks.study.records import write_results
from benchmarks.study.trying import Budget, Say, answers, restored, trained
from benchmarks.tasks import metrics
from benchmarks.tasks.dataset import Dataset
from benchmarks.tasks.training import Plan

KINDS, SEEDS = ("rnn", "lstm", "gru"), (0, 1)
RATE, WIDTH, DROPOUT = 1e-3, 128, 0.5


class Constant(Plan):
    """Adam as it is: no decay of weights, one rate throughout."""

    def rate(self, step: int) -> float:
        """The learning rate of every step."""
        return self.learning_rate


@dataclass(frozen=True)
class Setting(Budget):
    """What every model of the appendix gets."""

    rates: Sequence[float] = (RATE,)

    def plan(self, question: Question) -> Plan:
        """One rate, and no decay."""
        plan = super().plan(question)
        return Constant(**{**{field.name: getattr(plan, field.name) for field in fields(plan)}, "weight_decay": 0.0})


@dataclass(frozen=True)
class Published(Question):
    """A question at the literature's size, whatever the number of parameters."""

    def make(self, name: str, size: float = 1.0) -> nn.Module:
        """An untrained model of hidden size 128."""
        return self._model(kind_of(name), WIDTH, 1)


def _published(name: str, **more: Any) -> Published:
    question = replace(QUESTIONS[name], kinds=KINDS, dropout=DROPOUT, **more)
    return Published(**{field.name: getattr(question, field.name) for field in fields(question)})


TASKS: Mapping[str, Published] = {
    "imdb": _published("imdb", batch=32, steps=160, most=2_000),
    "stocks": _published("stocks", batch=64, steps=200),
    "ptb": _published("ptb", batch=10, steps=400),
}


def train(data: Path, out: Path, results: Path, share: float, say: Say) -> None:
    """Train all, then write ``appendix.json``: of every task and kind the values of all seeds, and their spread."""
    rows = []
    for name, question in TASKS.items():
        parts = question.data(data)
        for kind in KINDS:
            runs = [_run(question, kind, parts, out, Setting(share=share, seed=seed), say) for seed in SEEDS]
            rows.append({"task": name, "kind": kind, **_together(runs)})
    setting = {"width": WIDTH, "rate": RATE, "dropout": DROPOUT, "seeds": list(SEEDS), "share": share}
    write_results("appendix", {"setting": setting, "rows": rows}, results)


def _run(question: Published, kind: str, parts: Dataset, out: Path, setting: Setting, say: Say) -> dict[str, float]:
    folder = out / "appendix" / question.name / f"{kind}-{setting.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    found = trained(question, kind, parts, folder, setting, lambda line: say(f"{folder.name} {question.name}: {line}"))
    values = {"loss": found["test_loss"], "minutes": found["minutes"], "epochs": found["epochs"]}
    if question.name != "stocks":
        return {**values, "metric": found["test_metric"]}
    output = answers(question, restored(question, kind, folder), parts.test)
    return {**values, "metric": metrics.direction({"output": output}, question.arrays(parts.test))}


def _together(runs: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Mean, least and greatest of every value over the seeds."""
    return {
        name: {"mean": statistics.fmean(values), "least": float(np.min(values)), "most": float(np.max(values))}
        for name in runs[0]
        for values in [[run[name] for run in runs]]
    }
