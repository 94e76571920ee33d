"""One fresh process of one engine: prepares its files, compares its answers with PyTorch's, or times its steps.

python -m benchmarks.peers.worker JOB ENGINE CASE FOLDER OUT SETTINGS_JSON

It runs in the environment of its engine, which need not have edgeseq: numpy is all that they share. A step is timed
as edgeseq's own measuring does (``edgeseq/runtime/measuring/worker.py``): each by itself, paced ones from the moment
they were due.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np

from benchmarks.peers.cases import CASES, Case
from benchmarks.peers.stepping import Array, EngineModule, Stepper, engine_module, frames

#: Untimed steps after going back to the beginning of a window.
LEAD_IN = 4


class Walk:
    """A stepper with its inputs in turn, which goes back by itself where a window ends."""

    def __init__(self, stepper: Stepper, case: Case, inputs: Array) -> None:
        self._stepper, self._window = stepper, case.window
        self._inputs: Iterator[Array] = cycle(list(inputs))
        self._taken = 0

    def left(self) -> int | None:
        """Steps until the window ends; None: there is no end."""
        return None if self._window is None else self._window - self._taken

    def step(self) -> None:
        """One step."""
        self._taken += 1
        self._stepper.step(next(self._inputs))

    def go_back(self) -> None:
        """To the beginning of the window and a few steps on."""
        self._stepper.reset()
        self._taken = 0
        for _ in range(LEAD_IN):
            self.step()

    def parts(self, steps: int) -> Iterator[int]:
        """``steps`` in parts that each fit what is left of a window."""
        while steps > 0:
            if self.left() == 0:
                self.go_back()
            left = self.left()
            part = steps if left is None else min(steps, left)
            yield part
            steps -= part


def back_to_back(walk: Walk, steps: int) -> list[int]:
    """Nanoseconds of steps that follow each other at once."""
    samples = []
    for part in walk.parts(steps):
        for _ in range(part):
            begin = perf_counter_ns()
            walk.step()
            samples.append(perf_counter_ns() - begin)
    return samples


def paced(walk: Walk, steps: int, period_ns: int) -> tuple[list[int], list[int]]:
    """Nanoseconds of steps, one per period: from the moment each was due, and from its call."""
    from_due, from_call = [], []
    for part in walk.parts(steps):
        start = perf_counter_ns() + period_ns
        for index in range(part):
            due = start + index * period_ns
            while (early_ns := due - perf_counter_ns()) > 0:
                time.sleep(early_ns / 1e9)
            begin = perf_counter_ns()
            walk.step()
            end = perf_counter_ns()
            from_due.append(end - due)
            from_call.append(end - begin)
    return from_due, from_call


def measure(engine: EngineModule, case: Case, folder: Path, settings: dict[str, int]) -> dict[str, Any]:
    """Everything that one process measures, in nanoseconds and bytes."""
    begin = perf_counter_ns()
    engine.import_packages()
    imported = perf_counter_ns()
    imported_rss = rss_bytes("VmRSS")
    opened = perf_counter_ns()
    stepper = engine.open_step(case, folder)
    loaded = perf_counter_ns()
    walk = Walk(stepper, case, frames(folder))
    first = back_to_back(walk, 1)
    back_to_back(walk, settings["warmup"])
    cpu_ns, wall_ns = time.process_time_ns(), perf_counter_ns()
    series = {"back_to_back": back_to_back(walk, settings["steps"])}
    busy = (time.process_time_ns() - cpu_ns) / (perf_counter_ns() - wall_ns)
    if settings["paced_steps"]:
        paced(walk, settings["paced_warmup"], settings["period_ns"])
        series["paced"], series["paced_step"] = paced(walk, settings["paced_steps"], settings["period_ns"])
    return {
        "import_ns": imported - begin,
        "load_ns": loaded - opened,
        "imported_rss_bytes": imported_rss,
        "first_step_ns": first[0],
        "peak_rss_bytes": rss_bytes("VmHWM"),
        "busy_cores": round(busy, 3),
        "series": series,
    }


def compare(engine: EngineModule, case: Case, folder: Path) -> dict[str, Any]:
    """How far the answers are from PyTorch's, after a reset too: a stream that went back must repeat itself."""
    engine.import_packages()
    stepper = engine.open_step(case, folder)
    expected = np.load(folder / "answers.npy")
    furthest = 0.0
    for _ in range(2):
        stepper.reset()
        for frame, answer in zip(frames(folder)[: len(expected)], expected, strict=True):
            given = np.asarray(stepper.step(frame), np.float32).reshape(-1)
            furthest = max(furthest, float(np.abs(given - answer.reshape(-1)).max()))
    return {"steps": len(expected), "furthest": furthest, "largest": float(np.abs(expected).max())}


def rss_bytes(field: str) -> int | None:
    """Memory that this process has resident: ``VmRSS`` now, ``VmHWM`` at most; None where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    found = [line.split() for line in lines if line.startswith(f"{field}:")]
    return int(found[0][1]) * 1024 if found else None


def main(arguments: list[str]) -> None:
    """Do one job, write what came of it as JSON under another name first."""
    job, name, slug, folder, out, settings = arguments
    engine, case, path = engine_module(name), CASES[slug], Path(folder)
    found: dict[str, Any] = {}
    if job == "prepare":
        engine.prepare(case, path)
    elif job == "compare":
        found = compare(engine, case, path)
    elif job == "measure":
        found = measure(engine, case, path, json.loads(settings))
    else:
        raise SystemExit(f"unknown job {job!r}")
    written = Path(f"{out}.part")
    written.write_text(json.dumps(found), encoding="utf-8")
    os.replace(written, out)


if __name__ == "__main__":
    main(sys.argv[1:])
