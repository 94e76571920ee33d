"""Which rows of a shard one call of onnxruntime takes: consecutive ones as they lie, scattered ones through a copy."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgeseq.runtime.devices import Array

#: A range of rows is run as it lies where at least this share of its rows has something to do.
_DENSE = 0.7


@dataclass(frozen=True)
class Piece:
    """Some rows of a call: those in ``chosen`` of the caller's, in ascending order.

    ``ranged``: the rows from ``first`` to ``last`` are run as they lie, others among them included; else gathered.
    """

    chosen: slice
    first: int
    last: int
    ranged: bool = True


def pieces(rows: Array, sliceable: bool, caches: bool, most: int) -> Iterator[Piece]:
    """How ascending ``rows`` are run. ``caches`` are never copied, ``most`` rows are gathered at once.

    ``sliceable``: consecutive rows are a tensor of the graph as they lie; a single row always is.
    """
    count = len(rows)
    first, last = int(rows[0]), int(rows[-1]) + 1
    if sliceable and last - first == count:
        yield Piece(slice(0, count), first, last)
    elif caches and not sliceable:
        yield from (Piece(slice(at, at + 1), int(row), int(row) + 1) for at, row in enumerate(rows))
    elif caches:
        edges = [0, *(np.flatnonzero(np.diff(rows) > 1) + 1).tolist(), count]
        for begin, end in itertools.pairwise(edges):
            yield Piece(slice(begin, end), int(rows[begin]), int(rows[end - 1]) + 1)
    elif sliceable and count >= _DENSE * (last - first):
        yield Piece(slice(0, count), first, last)
    else:
        for begin in range(0, count, most):
            yield Piece(slice(begin, min(count, begin + most)), first, last, ranged=False)


def rounded(count: int) -> int:
    """Rows that a gathered call of ``count`` is made for: few different sizes, at most an eighth too many.

    Never one: onnxruntime takes other kernels for a single row, whose last bits differ.
    """
    step = 1 << max(0, count.bit_length() - 4)
    return max(2, -(-count // step) * step)
