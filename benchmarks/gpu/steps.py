"""The steps of the whole, each in a process of its own with a limit. Each leaves a file, and is then not done again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

from benchmarks.gpu.cases import NETWORKS, WEIGHTS
from benchmarks.gpu.checks import CHECKS, Skipped
from edgeseq.errors import EdgeseqError

#: Seconds that the figures of one file may take.
TIMING_S = 560
#: Steps that time, by name: the network and its weights.
TIMINGS = {f"time {one.name} {weights}": (one, weights) for one in NETWORKS for weights in WEIGHTS}
STEPS: Mapping[str, int] = {
    **{name: limit for name, (_, limit) in CHECKS.items()},
    **dict.fromkeys(TIMINGS, TIMING_S),
}
#: What a step comes to.
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"

Say = Callable[[str], None]


def run_all(files: Path, out: Path, budget_s: float, say: Say, again: bool = False) -> dict[str, Any]:
    """Do what is not done yet, as far as ``budget_s`` goes, and gather everything that was."""
    begun = monotonic()
    for name, limit in STEPS.items():
        result = out / f"{_slug(name)}.json"
        if result.exists() and not again:
            continue
        left = budget_s - (monotonic() - begun)
        if left < min(limit, 60):
            say(f"{name}: not begun, {left:.0f} s are left; call again to go on")
            break
        say(f"{name} ...")
        found = _in_a_process(name, files, out, min(limit, left))
        write(result, found)
        say(f"{name}: {found['outcome']}{' (' + found['why'] + ')' if found.get('why') else ''}")
    return gathered(out)


def run_one(name: str, files: Path) -> dict[str, Any]:
    """One step here and now. What else is raised ends its process, and is then found there."""
    if name in TIMINGS:
        network, weights = TIMINGS[name]
        absent = [file for gpu in (True, False) if not (files / (file := network.file(weights, gpu))).exists()]
        if absent:
            return {"outcome": SKIPPED, "why": f"there is no {absent[0]}: python -m benchmarks.gpu files"}
    try:
        if name in TIMINGS:
            from benchmarks.gpu.timing import measure

            return {"outcome": PASSED, "figures": measure(files, *TIMINGS[name], _to_stderr)}
        return {"outcome": PASSED, "seen": CHECKS[name][0](files)}
    except Skipped as reason:
        return {"outcome": SKIPPED, "why": str(reason)}
    except (AssertionError, EdgeseqError) as error:
        return {"outcome": FAILED, "why": str(error)}


def all_skipped(out: Path, why: str) -> dict[str, Any]:
    """What is gathered where no step can be done; files of earlier steps are left."""
    return {**gathered(out), "steps": {name: {"outcome": SKIPPED, "why": why} for name in STEPS}}


def gathered(out: Path) -> dict[str, Any]:
    """Every step's result by name; None for what was not done."""
    found = {name: out / f"{_slug(name)}.json" for name in STEPS}
    results = {name: json.loads(path.read_text("utf-8")) if path.exists() else None for name, path in found.items()}
    return {"format": "edgeseq.gpu", "version": 1, "steps": results}


def write(path: Path, document: Mapping[str, Any]) -> None:
    """Write under another name first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    os.replace(part, path)


def _in_a_process(name: str, files: Path, out: Path, limit_s: float) -> dict[str, Any]:
    written = out / "step.json"
    written.unlink(missing_ok=True)
    command = [sys.executable, "-m", "benchmarks.gpu", "step", name, "--files", str(files), "--json", str(written)]
    begun = monotonic()
    try:
        done = subprocess.run(command, timeout=limit_s, capture_output=True, text=True, check=False)
    except subprocess.TimeoutExpired:
        return {"outcome": FAILED, "why": f"it took more than {limit_s:.0f} s", "seconds": limit_s}
    if not written.exists():
        why = f"its process ended with {done.returncode}"
        return {"outcome": FAILED, "why": why, "said": done.stderr[-4000:], "seconds": monotonic() - begun}
    found: dict[str, Any] = json.loads(written.read_text("utf-8"))
    written.unlink()
    said = {"said": done.stderr[-4000:]} if found["outcome"] == FAILED else {}
    return {**found, **said, "seconds": round(monotonic() - begun, 1)}


def _to_stderr(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _slug(name: str) -> str:
    return name.replace(" ", "-")
