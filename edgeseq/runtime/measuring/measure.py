"""Measures a file: spawns the runs, gathers what they report."""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import edgeseq
from edgeseq.errors import ProviderError, UsageError
from edgeseq.runtime.loading import describe, load
from edgeseq.runtime.measuring.deadline import count_misses
from edgeseq.runtime.measuring.latency import Latency
from edgeseq.runtime.measuring.machine import machine, versions
from edgeseq.runtime.measuring.series import make_series
from edgeseq.runtime.measuring.worker import WINDOW, Settings
from edgeseq.runtime.model import Model
from edgeseq.runtime.threads import session_settings

#: Samples wanted around each position of ``at``: enough for a p90.
SAMPLES_AT = 100
#: Steps of one process and mode where nothing else is asked for.
STEPS = 1000


def measure(
    path: str | os.PathLike[str],
    steps: int = STEPS,
    period: float | None = None,
    runs: int = 3,
    warmup: int = 100,
    batch: int = 1,
    threads: int | None = None,
    device: str = "cpu",
    at: Sequence[int] | None = None,
    progress: Callable[[int, int], None] | None = None,
    *,
    deadline: float | None = None,
    chunk: int | None = None,
    allow_unverified: bool = False,
) -> Latency:
    """Time every step of the file at ``path`` in ``runs`` fresh processes, one after another.

    Each run makes ``warmup`` untimed steps, ``steps`` back to back and, where ``period`` (seconds) is given, ``steps``
    paced ones: back to back is what a loop over a file sees, paced is what a live signal sees. A step is ``chunk`` base
    frames, the fewest that the contract allows where not given, with random inputs; a stream that is full is reset
    between two steps. ``threads`` None are those that ``load`` takes. ``deadline`` (seconds) is held against the paced
    steps, from the moment each was due. ``at`` lists positions around which steps are timed too, in several passes.
    ``progress`` is called with the runs done and the runs in all. The result names the digest of the file as it was
    measured, which ``allow_unverified`` lets differ from the one that was verified.

    Raises what ``load`` raises, UsageError for arguments that mean nothing, ProviderError when a process fails.
    """
    _check_counts(steps=steps, runs=runs, batch=batch)
    deadline_ns = _nanoseconds("deadline", deadline)
    if deadline_ns is not None and period is None:
        raise UsageError("a deadline is held against paced steps", wanted="a period beside it")
    if type(warmup) is not int or warmup < 0:
        raise UsageError("warmup must be a whole number from 0", got=repr(warmup))
    model = load(path, device=device, threads=threads, allow_unverified=allow_unverified)
    count, spinning = session_settings(model.contract, device, threads)
    settings = Settings(
        path=os.path.abspath(model.path),
        steps=steps,
        period_ns=_nanoseconds("period", period),
        warmup=warmup,
        batch=batch,
        threads=count,
        device=device,
        frames=_frames(chunk, model),
        at=_positions(at, model),
        passes=math.ceil(SAMPLES_AT / WINDOW),
        seed=0,
        allow_unverified=allow_unverified,
        spinning=spinning,
    )
    reports = []
    for number in range(runs):
        reports.append(run_once(settings))
        if progress is not None:
            progress(number + 1, runs)
    return _gather(settings, reports, describe(path).file.digest, deadline_ns)


def run_once(settings: Settings) -> dict[str, Any]:
    """What one fresh process reports; for those who alternate several files."""
    root = str(Path(edgeseq.__file__).resolve().parent.parent)
    inherited = os.environ.get("PYTHONPATH")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, inherited] if inherited else [root])}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run.json"
        command = [sys.executable, "-m", "edgeseq.runtime.measuring.worker", json.dumps(asdict(settings)), str(out)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode or not out.exists():
            lines = done.stderr.strip().splitlines()
            raise ProviderError(
                "a measuring process failed",
                where=settings.path,
                why=lines[-1].rstrip(".") if lines else f"exit code {done.returncode}",
            )
        return dict(json.loads(out.read_text()))


def _gather(
    settings: Settings, reports: Sequence[dict[str, Any]], digest: str | None, deadline_ns: int | None
) -> Latency:
    path = Path(settings.path)
    modes = list(reports[0]["modes"])
    period_ns = settings.period_ns
    return Latency(
        file={"name": path.name, "sha256": _sha256(path), "bytes": path.stat().st_size, "digest": digest},
        machine=machine(),
        versions=versions(),
        settings={
            **{name: value for name, value in asdict(settings).items() if name not in ("path", "at")},
            "at": list(settings.at),
            "runs": len(reports),
            "deadline_ns": deadline_ns,
        },
        series=tuple(
            make_series(mode, [report["modes"][mode] for report in reports], period_ns if mode == "paced" else None)
            for mode in modes
        ),
        load_ns=tuple(report["load_ns"] for report in reports),
        first_step_ns=tuple(report["first_step_ns"] for report in reports),
        peak_rss_bytes=tuple(report["peak_rss_bytes"] for report in reports),
        state_bytes=reports[0]["state_bytes"],
        deadline=None
        if deadline_ns is None
        else count_misses(deadline_ns, [report["modes"]["paced"] for report in reports]),
    )


def _check_counts(**counts: object) -> None:
    for name, count in counts.items():
        if type(count) is not int or count < 1:
            raise UsageError(f"{name} must be a whole number from 1", got=repr(count))


def _nanoseconds(name: str, seconds: float | None) -> int | None:
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < 3600:
        raise UsageError(f"{name} must be a number of seconds above 0", got=repr(seconds))
    return round(seconds * 1e9)


def _frames(chunk: int | None, model: Model) -> int:
    """Base frames of one step."""
    multiple, limit = model.contract.chunk.multiple, model.contract.max_context
    if chunk is None:
        return multiple
    _check_counts(chunk=chunk)
    if chunk % multiple:
        raise UsageError("chunk must fill whole calls", got=chunk, wanted=f"a multiple of {multiple}")
    if limit is not None and chunk > limit:
        raise UsageError("chunk is more than the model's context", got=chunk, wanted=f"at most {limit}")
    return chunk


def _positions(at: Sequence[int] | None, model: Model) -> tuple[int, ...]:
    positions = tuple(at or ())
    _check_counts(**{f"position {index} of at": position for index, position in enumerate(positions)})
    limit = model.contract.max_context
    if limit is not None and any(position > limit for position in positions):
        raise UsageError(
            "there are no steps to time around that position",
            why="the model's context ends before it",
            got=f"at {max(positions)}",
            wanted=f"at most {limit}",
        )
    return positions


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
