"""Findings about how the result was made: too few samples, processes that differ, a machine that was not quiet."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from edgeseq.lab.findings.finding import modes, words
from edgeseq.lab.units import duration
from edgeseq.runtime.measuring.latency import STEADY_WITHIN, Latency
from edgeseq.runtime.measuring.readings import Readings
from edgeseq.runtime.measuring.series import QUANTILES, samples_needed

#: Cores that other programs kept busy, or that the host took, on average.
BUSY, TAKEN = 0.1, 0.01
#: The kernel counts processor time in ticks of mostly 10 ms: of shorter runs it tells nothing.
TOLD_FROM_NS = 200_000_000
#: The share of the median step that the clock may move by, and that reading it may cost.
COARSE, COSTLY = 0.01, 0.05


def few_samples(latency: Latency) -> Iterator[str]:
    """The quantiles that were refused, with what they need."""
    for name, share in QUANTILES.items():
        refused = [series for series in modes(latency) if name in series.quantiles and series.quantiles[name].refused]
        if refused:
            fewest = min(min(series.counts) for series in refused)
            yield f"{name} needs {samples_needed(share):,} samples in every process, one has {fewest:,}"


def one_process(latency: Latency) -> Iterator[str]:
    """Nothing is known about other processes."""
    if any(len(series.counts) == 1 for series in latency.series):
        yield "one process only, nothing is known about other ones"


def unsteady(latency: Latency) -> Iterator[str]:
    """Medians of processes that differ by more than a quarter."""
    for series in modes(latency):
        p50 = series.quantiles["p50"]
        if p50.least_ns and p50.most_ns and p50.most_ns > STEADY_WITHIN * p50.least_ns:
            ratio = p50.most_ns / p50.least_ns
            yield f"{words(series.mode)}: the median of one process is {ratio:.2f} times that of another"


def late(latency: Latency) -> Iterator[str]:
    """Paced steps most of which ended after the next was due."""
    for series in modes(latency):
        if series.misses is not None and 2 * sum(series.misses) > sum(series.counts):
            yield f"{words(series.mode)}: most steps ended after the next was due, so that lateness adds up"


def slowed(latency: Latency) -> Iterator[str]:
    """A processor that got slower meanwhile."""
    for mode, runs in _readings(latency).items():
        reasons = [reading.throttled for reading in runs if reading.throttled is not None]
        if reasons:
            yield f"{words(mode)}: {reasons[0]} ({len(reasons)} of {len(runs)} processes)"


def not_alone(latency: Latency) -> Iterator[str]:
    """Other programs that were busy, and a host that took cores away."""
    for mode, runs in _readings(latency).items():
        others = busy_others(latency, mode)
        if others > BUSY:
            yield f"{words(mode)}: other programs kept {others:.2g} cores busy"
        taken = _median([reading.steal_cores for reading in runs])
        if taken > TAKEN:
            yield f"{words(mode)}: the host took {taken:.2g} cores from this virtual machine"


def busy_others(latency: Latency, mode: str) -> float:
    """Cores that other programs kept busy in a mode, the median; 0 of runs that are too short to tell."""
    runs = [reading for reading in _readings(latency).get(mode, []) if reading.wall_ns >= TOLD_FROM_NS]
    return min(_median([reading.others_cores for reading in runs]), float(latency.machine.get("cores") or 1))


def coarse_clock(latency: Latency) -> Iterator[str]:
    """A clock that moves in steps that matter, or that takes long to read."""
    medians = [series.p50_ns for series in modes(latency) if series.p50_ns]
    if not medians or not latency.clock:
        return
    step = min(medians)
    resolution, overhead = (max(one[name] for one in latency.clock) for name in ("resolution_ns", "overhead_ns"))
    if resolution > COARSE * step:
        yield f"the clock moves by {duration(resolution)}, {100 * resolution / step:.2g} % of a median step"
    if overhead > COSTLY * step:
        yield f"reading the clock takes {duration(overhead)}, {100 * overhead / step:.2g} % of a median step"


def _readings(latency: Latency) -> dict[str, list[Readings]]:
    """Those of every process, by mode."""
    names = latency.readings[0] if latency.readings else ()
    return {mode: [Readings.from_dict(run[mode]) for run in latency.readings if mode in run] for mode in names}


def _median(values: list[float | None]) -> float:
    return statistics.median([value for value in values if value is not None] or [0.0])
