"""Findings from how the samples of a result are distributed, and from how they change along it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from edgeseq.lab.findings.circumstances import BUSY, busy_others
from edgeseq.lab.findings.finding import modes, positions, words
from edgeseq.lab.findings.hills import Hills, two_hills
from edgeseq.lab.units import duration
from edgeseq.runtime.measuring.latency import Latency
from edgeseq.runtime.measuring.series import Series

#: Growth worth a word; how many times as long a paced step is that found its caches cold.
GROWTH, COLD = 1.2, 2.0
#: So many points of a timeline in each quarter tell a trend.
_QUARTER = 10
#: Of the steps on the slower hill, so many are explained by as many switches to another program.
_SWITCHED = 0.5


def bimodal(latency: Latency) -> Iterator[str]:
    """Two kinds of step, with what is known of the reason."""
    for series in modes(latency):
        hills = two_hills(series)
        if hills is not None and series.mode != "paced_step":
            yield f"{words(series.mode)}: {_split(hills)}, {_reason(latency, series, hills)}"


def ramp(latency: Latency) -> Iterator[str]:
    """A step at the last position that takes longer than at the first; without positions, a trend over the steps."""
    measured = [(place, series) for place, series in positions(latency) if series.p50_ns is not None]
    if len(measured) >= 2:
        (first, early), (last, late) = measured[0], measured[-1]
        if _grown(early, late):
            times = (late.p50_ns or 0) / (early.p50_ns or 1)
            yield (
                f"cost grows with position: {duration(early.p50_ns)} at {first:,}, {duration(late.p50_ns)} at "
                f"{last:,}, {times:.1f} times"
            )
    elif latency.has("back_to_back"):
        yield from _trend(latency.of("back_to_back"))


def cold(latency: Latency) -> Iterator[str]:
    """A paced step, from its call to its answer, that takes much longer than one that follows another at once."""
    if latency.has("paced_step") and latency.has("back_to_back"):
        paced, warm = latency.of("paced_step").p50_ns, latency.of("back_to_back").p50_ns
        if paced and warm and paced >= COLD * warm:
            yield f"paced is {paced / warm:.2g}x back-to-back: caches go cold, see keep-warm in docs/deadlines.md"


def _split(hills: Hills) -> str:
    share = min(max(round(100 * hills.share), 1), 99)
    return f"{100 - share} % of the steps around {duration(hills.low_ns)}, {share} % around {duration(hills.high_ns)}"


def _reason(latency: Latency, series: Series, hills: Hills) -> str:
    """Processes of two kinds, or another program where switches to it are known, or what is left."""
    medians = series.quantiles["p50"].runs_ns
    slow = sum(median > hills.valley_ns for median in medians)
    if 0 < slow < len(medians):
        return f"{slow} of {len(medians)} processes are of the slower kind"
    switches = _switches(latency, series.mode)
    if switches is None:
        return "something else may run on this core"
    if switches >= _SWITCHED * min(hills.share, 1 - hills.share):
        return f"something else runs on this core ({1000 * switches:.0f} involuntary switches in 1,000 steps)"
    if (others := busy_others(latency, series.mode)) > BUSY:
        return f"while other programs kept {others:.2g} cores busy"
    return "and no other program that would explain it: the processor's clock, its caches or the file itself"


def _switches(latency: Latency, mode: str) -> float | None:
    """Involuntary context switches in a step, of all processes; None where they are not known."""
    known = [run[mode] for run in latency.readings if run.get(mode, {}).get("involuntary_switches") is not None]
    steps = sum(reading["steps"] for reading in known)
    return sum(reading["involuntary_switches"] for reading in known) / steps if steps else None


def _grown(early: Series, late: Series) -> bool:
    """Whether the intervals lie apart and the medians by more than :data:`GROWTH`."""
    first, last = early.quantiles["p50"], late.quantiles["p50"]
    high = first.high_ns if first.high_ns is not None else first.most_ns
    low = last.low_ns if last.low_ns is not None else last.least_ns
    grown = (last.median_ns or 0) >= GROWTH * (first.median_ns or math.inf)
    return grown and low is not None and high is not None and low > high


def _trend(series: Series) -> Iterator[str]:
    """Every quarter of the first process longer than the one before it, by medians."""
    points = np.asarray(series.timeline_ns, dtype=np.float64)
    if len(points) < 4 * _QUARTER:
        return
    medians = [float(np.median(quarter)) for quarter in np.array_split(points, 4)]
    if medians == sorted(set(medians)) and medians[-1] >= GROWTH * medians[0]:
        yield (
            f"cost grew over the steps of the first process, from {duration(medians[0])} in the first quarter to "
            f"{duration(medians[-1])} in the last: --at tells whether it is the position"
        )
