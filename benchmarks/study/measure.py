"""Runs the experiments, each one call of ``edgeseq compare``, and keeps their results under an id."""

from __future__ import annotations

import datetime
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.study.experiments import Experiment

ROOT = Path(__file__).resolve().parent.parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "study"
FORMAT, VERSION = "edgeseq.study", 1


def measure(
    asked: Sequence[Experiment],
    out: Path,
    results: Path,
    runs: int | None = None,
    steps: int | None = None,
    device: str = "cpu",
) -> list[str]:
    """Write ``NAME.json`` of every experiment into ``results``; those that failed, named."""
    failed = []
    for experiment in asked:
        begin = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "report.json"
            command = [*experiment.command(out, report, runs, steps), "--device", device]
            done = subprocess.run([sys.executable, "-m", "edgeseq", *command], cwd=ROOT, stdout=subprocess.DEVNULL)
            if report.exists():
                keep(experiment, json.loads(report.read_text(encoding="utf-8")), command, results)
            else:
                failed.append(f"{experiment.name}: exit code {done.returncode}")
        sys.stderr.write(f"{experiment.name}: {time.monotonic() - begin:.0f} s\n")
    return failed


def keep(experiment: Experiment, comparison: dict[str, Any], command: Sequence[str], results: Path) -> Path:
    """Write a comparison with what it was asked and an id, its timelines left out; all of it or nothing."""
    for subject in comparison["subjects"]:
        for series in subject["latency"]["series"]:
            series["timeline_ns"] = []
        if not experiment.timed:
            subject["latency"] = {"file": subject["latency"]["file"], "series": []}
    if not experiment.timed:
        comparison["differences"] = comparison["sentences"] = []
    document = {
        "format": FORMAT,
        "version": VERSION,
        "id": _id(experiment.name, comparison),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "experiment": experiment.name,
        "task": experiment.task,
        "command": " ".join(["edgeseq", *(Path(part).name if "/" in part else part for part in command)]),
        "comparison": comparison,
    }
    results.mkdir(parents=True, exist_ok=True)
    path = results / f"{experiment.name}.json"
    scratch = path.with_suffix(".new")
    scratch.write_text(json.dumps(document, allow_nan=False) + "\n", encoding="utf-8")
    scratch.replace(path)
    return path


def _id(name: str, comparison: dict[str, Any]) -> str:
    """The experiment's name and the start of a digest of what was found."""
    return f"{name}-{hashlib.sha256(json.dumps(comparison, sort_keys=True).encode()).hexdigest()[:12]}"
