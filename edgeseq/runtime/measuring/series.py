"""The steps of one mode in several processes, and what may be said of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

#: The quantiles reported. One needs ten samples beyond it in every run: p50 20, p90 100, p99 1,000.
QUANTILES = {"p50": 0.50, "p90": 0.90, "p99": 0.99}
SAMPLES_BEYOND = 10

#: Histogram edges are four to an octave: a bin is 19 % wide.
BINS_PER_OCTAVE = 4


@dataclass(frozen=True)
class Quantile:
    """One quantile of every run: the median across runs with the least and the greatest, all in nanoseconds.

    Where there are too few samples the values are None and ``refused`` says why.
    """

    median_ns: int | None
    least_ns: int | None
    most_ns: int | None
    runs_ns: tuple[int, ...] = ()
    refused: str | None = None


@dataclass(frozen=True)
class Series:
    """The timed steps of one mode.

    ``mode`` is ``back_to_back`` (each step follows the last at once), ``paced`` (one step per period, from the moment
    the step was due to its answer: what a deadline sees, the waking of the process included), ``paced_step`` (the same
    steps from their call to their answer) or ``at_N`` (steps around position N). ``counts`` are the samples of each
    run. ``misses`` are the steps of each run that took longer than the period, for ``paced`` only. ``samples_ns`` is
    kept in memory and left out of the JSON.
    """

    mode: str
    counts: tuple[int, ...]
    quantiles: dict[str, Quantile]
    max_ns: Quantile
    histogram_edges_ns: tuple[int, ...]
    histogram_counts: tuple[int, ...]
    misses: tuple[int, ...] | None = None
    samples_ns: tuple[tuple[int, ...], ...] | None = field(default=None, compare=False, repr=False)

    @property
    def p50_ns(self) -> int | None:
        """The median step, as the median across runs."""
        return self.quantiles["p50"].median_ns


def make_series(mode: str, runs: Sequence[Sequence[int]], period_ns: int | None = None) -> Series:
    """The series of these samples in nanoseconds, one list per process."""
    edges, counts = histogram([sample for run in runs for sample in run])
    return Series(
        mode=mode,
        counts=tuple(len(run) for run in runs),
        quantiles={name: across_runs(name, share, runs) for name, share in QUANTILES.items()},
        max_ns=_spread([max(run) for run in runs]),
        histogram_edges_ns=edges,
        histogram_counts=counts,
        misses=None if period_ns is None else tuple(sum(sample > period_ns for sample in run) for run in runs),
        samples_ns=tuple(tuple(run) for run in runs),
    )


def across_runs(name: str, share: float, runs: Sequence[Sequence[int]]) -> Quantile:
    """A quantile of each run and its spread across them, refused where a run has too few samples for it."""
    needed = samples_needed(share)
    fewest = min(len(run) for run in runs)
    if fewest < needed:
        return Quantile(None, None, None, refused=f"{name} needs {needed} samples in every run, a run has {fewest}")
    return _spread([nearest_rank(run, share) for run in runs])


def samples_needed(share: float) -> int:
    """How many samples a quantile needs for ten to lie beyond it."""
    return math.ceil(round(SAMPLES_BEYOND / (1 - share), 6))


def nearest_rank(samples: Sequence[int], share: float) -> int:
    """The smallest sample that at least ``share`` of all do not exceed: always one that was measured."""
    ordered = sorted(samples)
    return int(ordered[max(0, math.ceil(round(share * len(ordered), 6)) - 1)])


def histogram(samples: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Edges and counts of logarithmic bins: bin i holds samples from edge i up to, not including, edge i + 1."""
    bins = [math.floor(math.log2(max(1, sample)) * BINS_PER_OCTAVE) for sample in samples]
    first, last = min(bins), max(bins)
    counts = [0] * (last - first + 1)
    for index in bins:
        counts[index - first] += 1
    edges = [math.ceil(2 ** (index / BINS_PER_OCTAVE)) for index in range(first, last + 2)]
    return tuple(edges), tuple(counts)


def _spread(values: Sequence[int]) -> Quantile:
    return Quantile(round(statistics.median(values)), min(values), max(values), tuple(int(value) for value in values))
