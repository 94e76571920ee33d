"""The steps of one mode in several processes, and what may be said of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edgeseq.runtime.measuring.intervals import median_interval
from edgeseq.runtime.measuring.samples import Array, Raw, Samples, bin_edges, merge_bins

#: The quantiles reported. One needs ten samples beyond it in every run: p50 20, p90 100, p99 1,000, p99.9 10,000.
QUANTILES = {"p50": 0.50, "p90": 0.90, "p99": 0.99, "p99.9": 0.999}
SAMPLES_BEYOND = 10
#: Points of a timeline.
POINTS = 1_000


@dataclass(frozen=True)
class Quantile:
    """One quantile of every run: the median across runs with the least and the greatest, all in nanoseconds.

    ``low_ns`` to ``high_ns`` holds the median of all such processes with 95 %, None of fewer than six runs. Where there
    are too few samples the values are None and ``refused`` says why.
    """

    median_ns: int | None
    least_ns: int | None
    most_ns: int | None
    runs_ns: tuple[int, ...] = ()
    refused: str | None = None
    low_ns: int | None = None
    high_ns: int | None = None


@dataclass(frozen=True)
class Series:
    """The timed steps of one mode, warm-up apart.

    ``mode`` is ``back_to_back`` (each step follows the last at once), ``paced`` (one step per period, from the moment
    the step was due to its answer: what a deadline sees, the waking of the process included), ``paced_step`` (the same
    steps from their call to their answer) or ``at_N`` (steps around position N). ``counts`` are the samples of each
    run, ``warmup`` how many steps before them were left out. ``misses`` are the steps of each run that took longer than
    the period, for ``paced`` only. The histogram holds all runs, its bins at most 0.8 % wide: bin i holds samples from
    ``histogram_lows_ns[i]`` up to, not including, ``histogram_highs_ns[i]``; empty bins are left out. ``timeline_ns``
    is the first run in order, each point the longest of ``timeline_every`` steps. ``samples_ns`` is kept in memory and
    left out of the JSON; None of histograms.
    """

    mode: str
    counts: tuple[int, ...]
    quantiles: dict[str, Quantile]
    max_ns: Quantile
    histogram_lows_ns: tuple[int, ...]
    histogram_highs_ns: tuple[int, ...]
    histogram_counts: tuple[int, ...]
    misses: tuple[int, ...] | None = None
    warmup: tuple[int, ...] = ()
    timeline_ns: tuple[int, ...] = ()
    timeline_every: int = 1
    samples_ns: tuple[Array, ...] | None = field(default=None, compare=False, repr=False)

    @property
    def p50_ns(self) -> int | None:
        """The median step, as the median across runs."""
        return self.quantiles["p50"].median_ns


def make_series(
    mode: str,
    runs: Sequence[Samples | Sequence[int]],
    period_ns: int | None = None,
    warmup: Sequence[int] | None = None,
) -> Series:
    """The series of these samples in nanoseconds, one for each process."""
    found = [_samples(run) for run in runs]
    numbers, counts = merge_bins([run.bins() for run in found])
    lows, highs = bin_edges(numbers)
    first = found[0]
    every = -(-len(first) // POINTS)
    return Series(
        mode=mode,
        counts=tuple(len(run) for run in found),
        quantiles={name: across_runs(name, share, found) for name, share in QUANTILES.items()},
        max_ns=_spread([run.most for run in found]),
        histogram_lows_ns=tuple(lows.tolist()),
        histogram_highs_ns=tuple(highs.tolist()),
        histogram_counts=tuple(counts.tolist()),
        misses=None if period_ns is None else tuple(run.above(period_ns) for run in found),
        warmup=tuple(warmup or (0,) * len(found)),
        timeline_ns=_timeline(first.values, every) if isinstance(first, Raw) else (),
        timeline_every=every,
        samples_ns=tuple(run.values for run in found if isinstance(run, Raw))
        if all(isinstance(run, Raw) for run in found)
        else None,
    )


def across_runs(name: str, share: float, runs: Sequence[Samples]) -> Quantile:
    """A quantile of each run and its spread across them, refused where a run has too few samples for it."""
    needed = samples_needed(share)
    fewest = min(len(run) for run in runs)
    if fewest < needed:
        return Quantile(None, None, None, refused=f"{name} needs {needed:,} samples in every run, a run has {fewest:,}")
    return _spread([run.quantile(share) for run in runs])


def samples_needed(share: float) -> int:
    """How many samples a quantile needs for ten to lie beyond it."""
    return math.ceil(round(SAMPLES_BEYOND / (1 - share), 6))


def nearest_rank(samples: Sequence[int] | Array, share: float) -> int:
    """The smallest sample that at least ``share`` of all do not exceed: always one that was measured."""
    return Raw(np.asarray(samples)).quantile(share)


def _samples(run: Samples | Sequence[int]) -> Samples:
    return Raw(np.asarray(run, np.int64)) if isinstance(run, (list, tuple, np.ndarray)) else run  # type: ignore[return-value]


def _timeline(values: Array, every: int) -> tuple[int, ...]:
    return tuple(int(values[start : start + every].max()) for start in range(0, len(values), every))


def _spread(values: Sequence[int]) -> Quantile:
    found = tuple(int(value) for value in values)
    low, high = median_interval(found) or (None, None)
    return Quantile(
        round(statistics.median(found)),
        min(found),
        max(found),
        found,
        low_ns=None if low is None else int(low),
        high_ns=None if high is None else int(high),
    )
