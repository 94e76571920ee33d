"""Counts of nanoseconds in logarithmic bins, those of ``measuring.samples``: counted one by one, without numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edgeseq.runtime.devices import Array

if TYPE_CHECKING:
    from edgeseq.runtime.measuring.samples import Binned

#: As ``measuring.samples.BINS``; a test holds them together.
BINS = 128
_BITS = BINS.bit_length()
#: The longest time that is told apart, about 73 minutes.
LONGEST_NS = 2**42 - 1
#: The times that are counted: an answer from its due time, a step, a wake from its due time.
KINDS = ("latency", "step", "wake")


def bin_of(nanoseconds: int) -> int:
    """The bin of one time: what ``measuring.samples.bin_numbers`` finds for an array of them."""
    value = min(max(nanoseconds, 0), LONGEST_NS)
    shift = max(0, value.bit_length() - _BITS)
    return shift * BINS + (value >> shift)


#: Bins of one histogram.
SIZE = bin_of(LONGEST_NS) + 1


def binned(counts: Array) -> Binned:
    """``counts[bin]`` as the samples of one run; its longest is the end of the last bin that is not empty."""
    from edgeseq.runtime.measuring.samples import Binned, bin_edges

    numbers = np.flatnonzero(counts)
    most = int(bin_edges(numbers[-1:])[1][0]) - 1 if len(numbers) else 0
    return Binned(numbers, counts[numbers], most)
