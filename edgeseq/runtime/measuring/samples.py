"""The timed steps of one run: every one of them, or beyond ten million a histogram."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Beyond so many steps a run keeps a histogram in place of each.
KEPT = 10_000_000
#: Bins of one octave: each is at most 1/128 of its lower edge wide, so that a quantile is off by 0.4 % at most.
BINS = 128


class Samples(Protocol):
    """The steps of one run, in nanoseconds."""

    def __len__(self) -> int: ...

    @property
    def most(self) -> int:
        """The longest step."""

    def quantile(self, share: float) -> int:
        """The smallest sample that at least ``share`` of all do not exceed."""

    def above(self, limit_ns: int) -> int:
        """How many took longer than that."""

    def bins(self) -> tuple[Array, Array]:
        """Numbers of the bins of ``bin_edges`` that are not empty, ascending, and how many samples each has."""


@dataclass(frozen=True, eq=False)
class Raw:
    """Every sample, in order."""

    values: Array

    def __len__(self) -> int:
        return len(self.values)

    @property
    def most(self) -> int:
        """The longest step."""
        return int(self.values.max())

    def quantile(self, share: float) -> int:
        """The smallest sample that at least ``share`` of all do not exceed: one that was measured."""
        place = rank(share, len(self.values))
        return int(np.partition(self.values, place)[place])

    def above(self, limit_ns: int) -> int:
        """How many took longer than that."""
        return int((self.values > limit_ns).sum())

    def bins(self) -> tuple[Array, Array]:
        """As in ``Samples``."""
        numbers, counts = np.unique(bin_numbers(self.values), return_counts=True)
        return numbers, counts


@dataclass(frozen=True, eq=False)
class Binned:
    """How many samples fell into each bin; ``most`` is exact."""

    numbers: Array
    counts: Array
    most: int

    def __len__(self) -> int:
        return int(self.counts.sum())

    def quantile(self, share: float) -> int:
        """The middle of the bin that holds the sample of this rank, no more than the longest step."""
        place = int(np.searchsorted(np.cumsum(self.counts), rank(share, len(self)), side="right"))
        low, high = bin_edges(self.numbers[place : place + 1])
        return min(self.most, int(low[0] + high[0] - 1) // 2)

    def above(self, limit_ns: int) -> int:
        """How many took longer: those of bins that begin above the limit."""
        return int(self.counts[bin_edges(self.numbers)[0] > limit_ns].sum())

    def bins(self) -> tuple[Array, Array]:
        """As in ``Samples``."""
        return self.numbers, self.counts


def rank(share: float, count: int) -> int:
    """The place, from 0, of the smallest of ``count`` ordered samples that at least ``share`` of all do not exceed."""
    return max(0, math.ceil(round(share * count, 6)) - 1)


def bin_numbers(values: Array) -> Array:
    """The bin of each sample: one nanosecond wide up to 2 * BINS, then BINS to every octave.

    The layout of HdrHistogram, by G. Tene: logarithmic, and linear within an octave.
    """
    positive = np.maximum(values, 0).astype(np.int64)
    octave = np.maximum(np.frexp(np.maximum(positive, 1).astype(np.float64))[1] - 1, int(math.log2(BINS)))
    shift = octave - int(math.log2(BINS))
    numbers: Array = shift * BINS + (positive >> shift)
    return numbers


def bin_edges(numbers: Array) -> tuple[Array, Array]:
    """The lower edges of bins, and their upper ones, which are not within; in nanoseconds."""
    shift: Array = np.maximum(numbers // BINS - 1, 0)
    low = (numbers - shift * BINS) << shift
    return low, low + (np.int64(1) << shift)


def merge_bins(parts: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    """The bins of several runs together."""
    numbers = np.unique(np.concatenate([part[0] for part in parts]))
    counts = np.zeros(len(numbers), np.int64)
    for found, many in parts:
        counts[np.searchsorted(numbers, found)] += many
    return numbers, counts
