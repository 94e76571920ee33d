"""Equal quality: the smallest model of each kind that is as good as the yardstick."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.study.catalogue import QUESTIONS
from benchmarks.study.jobs import LADDER_KINDS, LADDER_SIZES, LADDER_TASKS, Job

#: The quality wanted is this share of the yardstick's test metric at the usual size: fixed before anything was trained.
YARDSTICK, SHARE = "gru", 0.95


@dataclass(frozen=True)
class Pick:
    """What a kind needs: the least ``size`` (of the usual number of parameters) with a ``metric`` as wanted.

    The best where none ``reached`` it.
    """

    kind: str
    size: float
    parameters: int
    metric: float
    wanted: float
    reached: bool


def equals(out: Path) -> list[Pick]:
    """The pick of every kind of the ladder that is trained; none without the yardstick."""
    task = LADDER_TASKS[0]
    measure = _summary(out, Job(task, YARDSTICK))
    if measure is None:
        return []
    lower = bool(getattr(QUESTIONS[task].metric, "lower_is_better", False))
    wanted = measure["test_metric"] / SHARE if lower else measure["test_metric"] * SHARE
    found = (_pick(kind, list(_sizes(out, task, kind)), wanted, lower) for kind in LADDER_KINDS)
    return [pick for pick in found if pick is not None]


def _pick(kind: str, sizes: list[tuple[float, dict[str, Any]]], wanted: float, lower: bool) -> Pick | None:
    if not sizes:
        return None
    sign = -1 if lower else 1
    good = [(size, summary) for size, summary in sizes if sign * summary["test_metric"] >= sign * wanted]
    size, summary = good[0] if good else max(sizes, key=lambda item: sign * item[1]["test_metric"])
    return Pick(kind, size, summary["parameters"], summary["test_metric"], wanted, bool(good))


def _sizes(out: Path, task: str, kind: str) -> Iterator[tuple[float, dict[str, Any]]]:
    for size in sorted(LADDER_SIZES):
        summary = _summary(out, Job(task, kind, size))
        if summary is not None:
            yield size, summary


def _summary(out: Path, job: Job) -> dict[str, Any] | None:
    path = out / job.folder / "summary.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
