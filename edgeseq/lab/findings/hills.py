"""Two hills in a histogram.

The density of log time is estimated with a Gaussian kernel of Silverman's width (B. Silverman, Density Estimation for
Statistics and Data Analysis, 1986, equation 3.31). Two hills are two of its maxima with a valley of at most half the
lower one between them, deeper than chance makes it, each with a share of all samples that is worth a word. The
bimodality coefficient is not used: a heavy tail alone drives it beyond its bound of 5/9 (Pfister and others, Good
things peak in pairs, Frontiers in Psychology 4:700, 2013), and latencies have heavy tails.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeseq.runtime.measuring.series import Series

#: A hill holds this share of all samples, at the least, and the valley is at most so high against the lower hill.
SHARE, VALLEY = 0.05, 0.5
#: The narrowest kernel in units of log time: the bins are nearly 1 % wide, and a clock may move in larger steps.
_NARROWEST = 0.02
#: With fewer samples a gap is chance. A valley is none where so many standard deviations of the counts explain it.
_SAMPLES, _DEVIATIONS = 100, 4.0
#: Against the highest top: lower ones are ripples of a tail.
_LOWEST = 0.04
_GRID = 1_024
#: Samples beyond these shares widen the grid and say nothing of hills.
_TAIL = 0.01


@dataclass(frozen=True)
class Hills:
    """Two hills: their tops and the valley between them in nanoseconds, and the share of samples above the valley."""

    low_ns: float
    valley_ns: float
    high_ns: float
    share: float


def two_hills(series: Series) -> Hills | None:
    """The two highest hills of a series; None where there is one."""
    places, weights = _places(series)
    if sum(series.histogram_counts) < _SAMPLES:
        return None
    count = sum(series.histogram_counts)
    grid, density, width = _density(places, weights, count)
    # A kernel sees as many samples as lie within 2 sqrt(pi) of its widths.
    seen = count * density * width * 2 * math.sqrt(math.pi)
    pairs = itertools.combinations(_tops(density), 2)
    found = [hills for one, other in pairs if (hills := _pair(grid, density, seen, one, other))]
    return max(found, key=lambda hills: min(hills.share, 1 - hills.share), default=None)


def _places(series: Series) -> tuple[Any, Any]:
    """Middle of each bin in log time, and its share of all samples."""
    lows, highs = (np.maximum(1.0, edges) for edges in (series.histogram_lows_ns, series.histogram_highs_ns))
    counts = np.asarray(series.histogram_counts, dtype=np.float64)
    return (np.log(lows) + np.log(highs)) / 2, counts / counts.sum()


def _density(places: Any, weights: Any, count: int) -> tuple[Any, Any, float]:
    width = max(_NARROWEST, _silverman(places, weights, count))
    below = np.cumsum(weights)
    first, last = places[np.searchsorted(below, [_TAIL, 1 - _TAIL])]
    grid = np.linspace(first - 3 * width, last + 3 * width, _GRID)
    near = np.exp(-0.5 * ((grid[:, None] - places[None, :]) / width) ** 2)
    return grid, near @ weights / (width * math.sqrt(2 * math.pi)), width


def _silverman(places: Any, weights: Any, count: int) -> float:
    """0.9 min(standard deviation, quartiles / 1.34) / count^0.2."""
    middle = float(places @ weights)
    deviation = math.sqrt(float(weights @ (places - middle) ** 2))
    lower, upper = places[np.searchsorted(np.cumsum(weights), [0.25, 0.75])]
    spread = min(deviation, float(upper - lower) / 1.34) or deviation
    return float(0.9 * spread * count**-0.2)


def _tops(density: Any) -> list[int]:
    """Places of the maxima that are worth comparing."""
    inner = density[1:-1]
    tops = np.flatnonzero((inner > density[:-2]) & (inner >= density[2:]) & (inner > _LOWEST * density.max())) + 1
    return [int(top) for top in tops]


def _pair(grid: Any, density: Any, seen: Any, one: int, other: int) -> Hills | None:
    """Two maxima as hills; None where the valley between them is too shallow or one of them holds too little."""
    valley = one + int(np.argmin(density[one : other + 1]))
    lower = min(one, other, key=lambda top: density[top])
    chance = _DEVIATIONS * math.sqrt(seen[lower] + seen[valley])
    if density[valley] > VALLEY * density[lower] or seen[lower] - seen[valley] < chance:
        return None
    if min(_held(grid, density, one), _held(grid, density, other)) < SHARE:
        return None
    share = float(density[valley:].sum() / density.sum())
    low, middle, high = (math.exp(grid[place]) for place in (one, valley, other))
    return Hills(low, middle, high, share)


def _held(grid: Any, density: Any, top: int) -> float:
    """The share of samples on a hill: as far to either side as the density stays above a tenth of the top's."""
    low = density < 0.1 * density[top]
    left = int(np.flatnonzero(low[:top])[-1]) if low[:top].any() else 0
    right = top + int(np.flatnonzero(low[top:])[0]) if low[top:].any() else len(grid)
    return float(density[left:right].sum() * (grid[1] - grid[0]))
