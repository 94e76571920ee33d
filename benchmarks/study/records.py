"""What training found, of all models in one file: trials, curves, sizes, metrics."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.study.jobs import Job
from benchmarks.study.measure import FORMAT, VERSION
from benchmarks.study.quality import equals
from edgeseq.runtime.measuring.machine import machine

#: Digits that are kept of a number.
DIGITS = 5


def collect(jobs: Sequence[Job], out: Path, results: Path) -> Path:
    """Write ``training.json``: the summaries of the models that are trained, and the picks at equal quality."""
    found = [_summary(out / job.folder, job.size) for job in jobs if (out / job.folder / "summary.json").exists()]
    content = {"models": found, "equal_quality": [asdict(pick) for pick in equals(out)], "machine": machine()}
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


def _summary(folder: Path, size: float) -> dict[str, Any]:
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return {"size": size, **_short(summary)}


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
