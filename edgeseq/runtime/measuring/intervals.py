"""What processes say together, each of them one sample: intervals that assume no distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def median_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float] | None:
    """The narrowest pair of equally high and low values that holds the median with ``confidence``; None with too few.

    By the binomial distribution of how many samples lie below the median (Conover, Practical Nonparametric Statistics,
    3.2): any distribution, six samples at least for 95 %.
    """
    ordered, count = sorted(values), len(values)
    tail = (1 - confidence) / 2
    below, total = -1, 0.0
    while True:
        total += math.comb(count, below + 1) / 2**count
        if total > tail:
            break
        below += 1
    return None if below < 0 else (ordered[below], ordered[count - 1 - below])


def signed_rank_interval(values: Sequence[float], confidence: float) -> tuple[float, float, float] | None:
    """The middle of differences with the interval that holds it; None where there are too few for ``confidence``.

    Hodges and Lehmann's estimate, the median of all means of two, and the interval that belongs to Wilcoxon's test of
    signed ranks (Hollander, Wolfe, Chicken, Nonparametric Statistical Methods, 3.2 and 3.3). Eight samples at least for
    99 %.
    """
    differences = np.asarray(values, dtype=np.float64)
    rows, columns = np.triu_indices(len(differences))
    means = np.sort((differences[rows] + differences[columns]) / 2)
    left_out = _critical_rank_sum(len(differences), (1 - confidence) / 2)
    if left_out is None:
        return None
    return float(np.median(means)), float(means[left_out]), float(means[len(means) - 1 - left_out])


def _critical_rank_sum(count: int, tail: float) -> int | None:
    """The largest sum of signed ranks that is reached, or not, with at most ``tail``; None where there is none."""
    ways = [1]
    for rank in range(1, count + 1):
        longer = ways + [0] * rank
        for total, number in enumerate(ways):
            longer[total + rank] += number
        ways = longer
    found, below = None, 0
    for total, number in enumerate(ways):
        below += number
        if below > tail * 2**count:
            break
        found = total
    return found
