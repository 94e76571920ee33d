"""One interleaved experiment: every engine on every case in a fresh process, in another random order each round."""

from __future__ import annotations

import datetime
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.others import Others
from benchmarks.peers.cases import CASES
from benchmarks.peers.install import installed
from benchmarks.peers.preparing import TOLERANCE, Prepared
from benchmarks.peers.processes import Failed, run
from benchmarks.peers.result import Result, Subject
from benchmarks.peers.standing import BASE
from benchmarks.peers.table import ENGINES
from edgeseq.runtime.measuring.machine import machine, versions
from edgeseq.runtime.measuring.series import make_series


@dataclass(frozen=True)
class Settings:
    """What one process does, and how many there are.

    A GPT takes ``gpt_steps``, for its steps are longer; ``paced`` are slugs of cases. Engines whose first process on a
    case took more than ``slow_s`` are in the first ``slow_runs`` rounds of that case alone; edgeseq is in all.
    """

    runs: int = 8
    slow_runs: int = 8
    slow_s: float = 5.0
    steps: int = 1_000
    gpt_steps: int = 1_000
    paced_steps: int = 1_000
    period_ns: int = 10_000_000
    warmup: int = 100
    paced_warmup: int = 10
    minutes: float | None = None
    seed: int = 0
    paced: tuple[str, ...] = tuple(CASES)


@dataclass
class Found:
    """What the processes of one subject reported, how long the first took, and why one ``failed``."""

    reports: list[dict[str, Any]]
    first_s: float
    failed: str | None = None

    def sits_out(self, item: Prepared, runs: int, settings: Settings) -> bool:
        """Whether this subject is not in the round after ``runs``."""
        slow = item.engine != BASE and self.first_s > settings.slow_s
        return self.failed is not None or (slow and runs >= settings.slow_runs)

    def run(self, item: Prepared, work: Path, settings: Settings) -> None:
        """One more process."""
        begin = time.monotonic()
        try:
            self.reports.append(_one(item, work, settings))
        except Failed as error:
            self.failed = f"a run failed: {error}"
        self.first_s = self.first_s or time.monotonic() - begin


def measure(ready: Sequence[Prepared], work: Path, settings: Settings, say: Callable[[str], None]) -> Result:
    """Time every subject that is not refused; a process that fails refuses its subject with the reason."""
    others, runs, begin = Others(), 0, time.monotonic()
    order = [item for item in ready if item.refused is None]
    found = {item: Found([], 0.0) for item in order}
    shuffled = random.Random(settings.seed)
    while runs < settings.runs:
        shuffled.shuffle(order)
        turn = [item for item in order if not found[item].sits_out(item, runs, settings)]
        if not _time_left(begin, sum(found[item].first_s for item in turn), settings):
            break
        for item in turn:
            found[item].run(item, work, settings)
            say(f"round {runs + 1}, {(time.monotonic() - begin) / 60:.1f} minutes: {item.case}: {item.engine}")
        runs += 1
        say(f"round {runs} after {(time.monotonic() - begin) / 60:.1f} minutes")
    return Result(
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        machine=machine(),
        versions=versions(),
        settings={**asdict(settings), "runs": runs, "threads": 1, "tolerance": TOLERANCE},
        others_cores=round(others.cores(), 2),
        engines={name: {"name": engine.name, **installed(engine)} for name, engine in ENGINES.items()},
        subjects=tuple(_subject(item, found.get(item)) for item in ready),
    )


def go_on(result: Result, more: Result) -> Result:
    """The result with the rounds of ``more`` added to every subject that both measured; ValueError where they differ.

    ``more`` may have fewer engines and cases, and another order; all else has to be as it was.
    """
    differ = [name for name in ("machine", "versions") if getattr(result, name) != getattr(more, name)]
    free = {"runs", "slow_runs", "slow_s", "minutes", "seed"}
    differ += [name for name, value in result.settings.items() if name not in free and more.settings[name] != value]
    if differ:
        raise ValueError(f"the result there is of another experiment: it differs in {', '.join(differ)}")
    added = {(item.engine, item.case): item for item in more.subjects if item.figures}
    subjects = tuple(
        item.with_runs(added[item.engine, item.case]) if (item.engine, item.case) in added and item.figures else item
        for item in result.subjects
    )
    settings = {**result.settings, "runs": result.settings["runs"] + more.settings["runs"]}
    others = max(result.others_cores, more.others_cores)
    return replace(result, settings=settings, others_cores=others, subjects=subjects)


def _time_left(begin: float, round_s: float, settings: Settings) -> bool:
    """Whether a round of so many seconds fits; the first, of which nothing is known, always does."""
    return settings.minutes is None or time.monotonic() - begin + round_s <= settings.minutes * 60


def _one(item: Prepared, work: Path, settings: Settings) -> dict[str, Any]:
    case = CASES[item.case]
    given = {
        "warmup": settings.warmup if case.position is None else settings.warmup // 5,
        "steps": settings.steps if case.position is None else settings.gpt_steps,
        "paced_steps": settings.paced_steps if item.case in settings.paced else 0,
        "paced_warmup": settings.paced_warmup,
        "period_ns": settings.period_ns,
    }
    return run("measure", ENGINES[item.engine], case, work / item.case, given)


def _subject(item: Prepared, found: Found | None) -> Subject:
    answers = {"steps": item.steps, "furthest": item.furthest, "largest": item.largest}
    reason = item.refused or (found and found.failed)
    if reason or found is None or not found.reports:
        return Subject(item.engine, item.case, reason or "no run was made", answers, {}, {})
    reports = found.reports
    figures = {name: [report[name] for report in reports] for name in reports[0] if name != "series"}
    series = {}
    for mode in reports[0]["series"]:
        made = make_series(mode, [report["series"][mode] for report in reports])
        quantiles = {name: made.quantiles[name] for name in ("p50", "p90", "p99")}
        series[mode] = {
            "counts": list(made.counts),
            **{name: {"runs_ns": list(found.runs_ns), "refused": found.refused} for name, found in quantiles.items()},
        }
    return Subject(item.engine, item.case, None, answers, figures, series)
