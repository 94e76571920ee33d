"""Whether two things differ: the process is the sample, neighbours in one round are a pair."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgeseq.runtime.measuring.intervals import signed_rank_interval

#: Of a hundred pairs of equal things so many are called different, at most.
CONFIDENCE = 0.99
#: Fewer pairs than these never show a difference with that confidence: 2 / 2**8 is below 0.01.
PAIRS_NEEDED = 8


@dataclass(frozen=True)
class Difference:
    """How many times as long as ``base`` the ``subject`` takes: the ratio, and the interval that holds it with 99 %.

    ``mode`` and ``quantile`` say of what. The interval is None of fewer than eight processes of each. ``paired``: both
    come from one experiment in which they took turns.
    """

    subject: str
    base: str
    mode: str
    quantile: str
    ratio: float
    low: float | None
    high: float | None
    paired: bool = True

    @property
    def visible(self) -> bool | None:
        """Whether they differ at all; None where too few processes tell."""
        if self.low is None or self.high is None:
            return None
        return not self.low <= 1 <= self.high

    def beyond(self, share: float) -> bool:
        """Whether the subject is visibly slower by more than ``share`` of the base: 0.1 is 10 %."""
        return self.low is not None and bool(self.visible) and self.ratio > 1 + share

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with the verdict."""
        return {**asdict(self), "visible": self.visible}

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Difference:
        """What :meth:`to_dict` gave."""
        return cls(**{name: item for name, item in value.items() if name != "visible"})


def ratio_of(
    subject: Sequence[float], base: Sequence[float], paired: bool = True
) -> tuple[float, float | None, float | None]:
    """How many times as large ``subject`` is as ``base``, and the interval; one value for each process.

    Paired values are compared in logarithms, round by round, by signed ranks. Values of two experiments are compared by
    all their quotients, with the interval of the rank sum test (Mann and Whitney; Hollander, Wolfe, Chicken, 4.3).
    """
    if paired:
        logs = [math.log(one / other) for one, other in zip(subject, base, strict=True)]
        found = signed_rank_interval(logs, CONFIDENCE)
        if found is None:
            return math.exp(float(np.median(logs))), None, None
        middle, low, high = (math.exp(value) for value in found)
        return middle, low, high
    quotients = np.sort(np.log(np.divide.outer(np.asarray(subject, float), np.asarray(base, float))).ravel())
    middle = math.exp(float(np.median(quotients)))
    left_out = _rank_sum_left_out(len(subject), len(base), (1 - CONFIDENCE) / 2)
    if left_out is None or min(len(subject), len(base)) < PAIRS_NEEDED:
        return middle, None, None
    return middle, math.exp(quotients[left_out]), math.exp(quotients[len(quotients) - 1 - left_out])


def _rank_sum_left_out(first: int, second: int, tail: float) -> int | None:
    """The largest value of Mann and Whitney's U with at most ``tail`` below and at it; None where there is none."""
    ways, below = math.comb(first + second, first), 0
    for value, count in enumerate(_gaussian_binomial(first, second)):
        below += count
        if below / ways > tail:
            return value - 1 if value else None
    return None


def _gaussian_binomial(first: int, second: int) -> list[int]:
    """How many ways there are to each value of U: the coefficients of the Gaussian binomial.

    Whole numbers throughout: floats cancel from 40 processes of each on, and leave negative counts.
    """
    polynomial = [1] + [0] * (first * second)
    for factor in range(second + 1, second + first + 1):
        for power in range(len(polynomial) - 1, factor - 1, -1):
            polynomial[power] -= polynomial[power - factor]
    for factor in range(1, first + 1):
        for power in range(factor, len(polynomial)):
            polynomial[power] += polynomial[power - factor]
    return polynomial
