"""What training found, of all models in one file: trials, curves, sizes, metrics."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.study.catalogue import QUESTIONS
from benchmarks.study.jobs import Job
from benchmarks.study.measure import FORMAT, VERSION
from benchmarks.study.quality import equals
from benchmarks.study.trying import answers, restored
from benchmarks.tasks import evaluating, metrics
from benchmarks.tasks.dataset import Split
from edgeseq.runtime.measuring.machine import machine

#: Digits that are kept of a number.
DIGITS = 5


def collect(jobs: Sequence[Job], out: Path, results: Path) -> Path:
    """Write ``training.json``: the summaries of the models that are trained, and the picks at equal quality."""
    found = [_summary(job, out) for job in jobs if (out / job.folder / "summary.json").exists()]
    tasks = dict.fromkeys(job.task for job in jobs)
    trivial = {task: value for task in tasks if (value := baseline(task, out)) is not None}
    content = {
        "models": found,
        "baselines": trivial,
        "equal_quality": [asdict(pick) for pick in equals(out)],
        "machine": machine(),
    }
    return write_results("training", content, results)


def write_results(name: str, content: dict[str, Any], results: Path) -> Path:
    """Write a result of the study with its id, a model or a row to a line; all of it or nothing."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
    head = {"format": FORMAT, "version": VERSION, "id": f"{name}-{digest}"}
    lines = (f"{json.dumps(key)}: {_lines(value)}" for key, value in {**head, **content}.items())
    results.mkdir(parents=True, exist_ok=True)
    path = results / f"{name}.json"
    scratch = path.with_suffix(".new")
    scratch.write_text("{" + ",\n".join(lines) + "}\n", encoding="utf-8")
    scratch.replace(path)
    return path


def baseline(task: str, out: Path) -> float | None:
    """What who knows nothing reaches on a task's evaluation data: no change forecast, or the most frequent class named.

    None where that says nothing (next words) or the data are not there.
    """
    question, path = QUESTIONS[task], out / task / "evaluation.npz"
    if not path.exists() or question.metric is metrics.perplexity:
        return None
    data = evaluating.read(path)
    targets = data["targets"]
    if question.metric is metrics.mse:
        return question.metric({"output": np.zeros_like(targets)}, data)
    asked = targets[targets >= 0]
    most = np.bincount(asked).argmax()
    named = np.broadcast_to(np.eye(question.answers)[most], (*targets.shape, question.answers))
    return question.metric({"output": named}, data)


def _summary(job: Job, out: Path) -> dict[str, Any]:
    """The summary of a model; of one that forecasts also how often it says up and down right."""
    folder, question = out / job.folder, QUESTIONS[job.task]
    found = {"size": job.size, **_short(json.loads((folder / "summary.json").read_text(encoding="utf-8")))}
    if question.metric is not metrics.mse:
        return found
    data = evaluating.read(out / job.task / "evaluation.npz")
    split = Split(data["frames"], data["targets"])
    output = answers(question, restored(question, job.kind, folder, job.size), split)
    return {**found, "direction": _short(metrics.direction({"output": output}, data))}


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {key: _short(item) for key, item in value.items()}
    return [_short(item) for item in value] if isinstance(value, list) else value


def _lines(value: Any) -> str:
    if isinstance(value, list):
        return "[\n" + ",\n".join(json.dumps(item) for item in value) + "]"
    return json.dumps(value)
