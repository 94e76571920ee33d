"""Runs the self-check: rounds of fresh processes of one file, some of them with a known delay in every step."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgeseq.errors import UsageError
from edgeseq.lab.differences import PAIRS_NEEDED, ratio_of
from edgeseq.runtime.measuring.alternating import Progress, alternate
from edgeseq.runtime.measuring.machine import machine, versions
from edgeseq.runtime.measuring.measure import RUNS, check_counts
from edgeseq.runtime.measuring.processes import run_once
from edgeseq.runtime.measuring.settings import Settings

#: Known delays, as shares of the median step.
DELAYS = (0.05, 0.10, 0.20)
#: Rounds that are measured, comparisons that are drawn from them, and how many of these have to find a difference.
ROUNDS, TRIALS, FOUND = 100, 200, 0.95
#: Steps of one process, back to back and paced.
_STEPS, _PACED = 300, 100
_GRID = np.arange(1, 1_001) / 1_000


def self_check(
    settings: Settings,
    runs: int = RUNS,
    rounds: int = ROUNDS,
    trials: int = TRIALS,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """How often equal files are called different here, and which differences are found again.

    In every round there is one process of the file, another one of it, and one for each of ``DELAYS``, which waits so
    long in every step. A trial is a comparison as any other, of ``runs`` of the ``rounds``, drawn anew for each of
    ``trials``; with rounds = runs * trials each trial could have its own. By mode: ``called_different`` is the share of
    trials that tell the file from itself, ``found`` the share that finds a delay, ``ratio`` how large it seems, and
    ``visible_share`` the smallest difference that 95 % of the trials would have found: that of the file to itself,
    made larger. UsageError for too few runs or rounds.
    """
    check_counts(runs=runs, rounds=rounds, trials=trials)
    if runs < PAIRS_NEEDED or rounds < runs:
        raise UsageError(
            "too few processes to tell anything apart",
            got=f"{runs} of {rounds} rounds",
            wanted=f"at least {PAIRS_NEEDED} runs, and no fewer rounds",
        )
    modes = {"back_to_back": replace(settings, steps=_STEPS, period_ns=None, at=(), duration_ns=None)}
    if settings.period_ns is not None:
        modes["paced"] = replace(settings, steps=_PACED, at=(), duration_ns=None)
    random = np.random.default_rng(seed)
    drawn = [random.choice(rounds, runs, replace=False) for _ in range(trials)]
    return {
        "file": Path(settings.path).name,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine(),
        "versions": versions(),
        "runs": runs,
        "rounds": rounds,
        "trials": trials,
        "seed": seed,
        "modes": {mode: _judged(_medians(mode, asked, rounds, seed, progress), drawn) for mode, asked in modes.items()},
    }


def _medians(
    mode: str, settings: Settings, rounds: int, seed: int, progress: Progress | None
) -> dict[str, np.ndarray[Any, Any]]:
    """The median step of each process: of the file, of the file again, and with each delay."""
    usual_ns = run_once(settings).samples[mode].quantile(0.5)
    subjects = {"file": settings, "again": settings}
    for share in DELAYS:
        subjects[f"{share:g}"] = replace(settings, delay_ns=round(share * usual_ns))
    reports = alternate(subjects, rounds, seed, progress)
    return {name: np.array([one.samples[mode].quantile(0.5) for one in found]) for name, found in reports.items()}


def _judged(medians: Mapping[str, np.ndarray[Any, Any]], drawn: Sequence[Any]) -> dict[str, Any]:
    found, ratios = {}, {}
    for share in DELAYS:
        trials = [ratio_of(medians[f"{share:g}"][chosen], medians["file"][chosen]) for chosen in drawn]
        found[f"{share:g}"] = float(np.mean([low is not None and low > 1 for _, low, _ in trials]))
        ratios[f"{share:g}"] = float(np.median([ratio for ratio, _, _ in trials]))
    same = [ratio_of(medians["again"][chosen], medians["file"][chosen]) for chosen in drawn]
    return {
        "p50_ns": int(np.median(medians["file"])),
        "called_different": float(np.mean([not (low or 0) <= 1 <= (high or 2) for _, low, high in same])),
        "found": found,
        "ratio": ratios,
        "visible_share": visible_share([low or 0.0 for _, low, _ in same]),
    }


def visible_share(lows: Sequence[float]) -> float | None:
    """The smallest difference, in steps of 0.1 %, that 95 % of comparisons of equal things would call slower.

    ``lows`` are the lower ends of their intervals: a difference moves an interval by itself. None beyond 100 %.
    """
    enough = [share for share in _GRID if np.mean(np.asarray(lows) * (1 + share) > 1) >= FOUND]
    return round(float(enough[0]), 4) if enough else None
