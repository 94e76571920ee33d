"""One interleaved experiment: everything compared takes turns, in fresh processes."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from edgeseq.errors import UsageError
from edgeseq.lab.comparison import Comparison, Quality, Subject, compare_all
from edgeseq.lab.floors import floors_of
from edgeseq.lab.selfcheck.stored import stored_for
from edgeseq.lab.variants import Variant
from edgeseq.runtime.loading import load
from edgeseq.runtime.measuring import capacity
from edgeseq.runtime.measuring.alternating import Progress, alternate
from edgeseq.runtime.measuring.gathering import gather
from edgeseq.runtime.measuring.measure import RUNS, check_counts, nanoseconds
from edgeseq.runtime.measuring.processes import Report, call_fresh
from edgeseq.runtime.measuring.settings import Settings
from edgeseq.verification.task import Task

#: Processes that search for the most streams of a core.
SEARCHES = 3


def compare(
    variants: Sequence[Variant],
    runs: int = RUNS,
    *,
    deadline: float | None = None,
    task: Task | None = None,
    floor: bool = True,
    streams: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> Comparison:
    """Measure all ``variants`` in ``runs`` rounds of fresh processes, in an order drawn anew for each round.

    ``deadline`` (seconds) is held against the paced steps. ``task`` gives each file's quality, ``floor`` what the
    machine would allow, ``streams`` how many streams one core serves at their period. Raises what ``load`` raises,
    UsageError for a wrong call, ProviderError where a process fails.
    """
    check_counts(runs=runs)
    if not variants:
        raise UsageError("nothing to compare")
    deadline_ns = nanoseconds("deadline", deadline)
    if any(one.settings.period_ns is None for one in variants) and (deadline_ns is not None or streams):
        raise UsageError("a deadline and streams per core are held against paced steps", wanted="a period beside it")
    if streams and any(one.settings.threads != 1 for one in variants):
        raise UsageError("streams per core are those of one thread", do="measure them with --threads 1 (threads=1)")
    quality = _qualities(variants, task)
    reports = alternate({one.name: one.settings for one in variants}, runs, seed, progress)
    made = {one.name: _made(one.settings, reports[one.name]) for one in variants}
    floors = floors_of([settings for settings in made.values() if settings.device == "cpu"]) if floor else {}
    subjects = tuple(
        Subject(
            one.name,
            gather(one.settings, reports[one.name], deadline_ns),
            quality.get(one.settings.path),
            floors.get(made[one.name]),
            _streams(one.settings) if streams else None,
        )
        for one in variants
    )
    return Comparison(
        subjects,
        compare_all(subjects),
        self_check=stored_for(subjects[0].latency.machine, subjects[0].latency.versions),
        settings={"runs": runs, "seed": seed, "deadline_ns": deadline_ns},
    )


def _made(settings: Settings, reports: Sequence[Report]) -> Settings:
    """With the steps that a duration came to, in hundreds: the floor is that of a position amid them."""
    if settings.duration_ns is None:
        return settings
    steps = statistics.median_low([len(one.samples["back_to_back"]) for one in reports])
    return replace(settings, steps=max(1, round(steps, -2)))


def _qualities(variants: Sequence[Variant], task: Task | None) -> dict[str, Quality]:
    """By file, before anything is timed: a metric that fails costs no time."""
    if task is None:
        return {}
    lower = bool(getattr(task.metric, "lower_is_better", False))
    files = dict.fromkeys((one.settings.path, one.settings.allow_unverified) for one in variants)
    return {
        path: Quality(task.called, task.score(load(path, allow_unverified=unverified)), lower)
        for path, unverified in files
    }


def _streams(settings: Settings) -> Mapping[str, Any]:
    found = [
        call_fresh(capacity.__name__, "streams_per_core", settings.to_dict(), where=settings.path)
        for _ in range(SEARCHES)
    ]
    return {"runs": [one["streams"] for one in found], "bounded": any(one["bounded"] for one in found)}
