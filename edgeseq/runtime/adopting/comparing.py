"""How near two runs of one file are, and how near they have to be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from edgeseq.runtime.devices import Array

Arrays = dict[str, Array]


@dataclass(frozen=True)
class Check:
    """One law that held: how far the worst value was off, what was allowed there, and on what."""

    name: str
    detail: str
    passed: bool = True
    worst: float = 0.0
    allowed: float = 0.0


@dataclass(frozen=True)
class Tolerance:
    """How far runs whose calls differ in size may be apart: half the digits of the dtype, by the largest value.

    onnxruntime sums in another order for another size. ``atol`` and ``rtol`` are the user's, on top.
    """

    atol: float = 0.0
    rtol: float = 0.0

    def __call__(self, wanted: Array) -> Array:
        """What is allowed for each value of an output; nothing but what the user allows where it has no digits."""
        size = np.abs(np.where(np.isfinite(wanted), wanted, 0).astype(np.float64))
        digits = np.sqrt(np.finfo(wanted.dtype).eps) if wanted.dtype.kind == "f" else 0.0
        return np.asarray(digits * size.max(initial=0.0) + self.atol + self.rtol * size)


@dataclass(frozen=True)
class Distance:
    """The difference of two arrays where it is worst, beside what is allowed there."""

    far: float = 0.0
    allowed: float = 0.0
    place: tuple[int, ...] = ()

    @property
    def share(self) -> float:
        """The difference in terms of what is allowed."""
        return self.far / self.allowed if self.allowed else math.inf if self.far else 0.0

    @property
    def holds(self) -> bool:
        """Whether it is allowed; not where a number is compared with NaN."""
        return self.far <= self.allowed


def distance(got: Array, wanted: Array, tolerance: Tolerance) -> Distance:
    """How far two arrays of one shape are apart."""
    if wanted.size == 0:
        return Distance()
    first, second = got.astype(np.float64), wanted.astype(np.float64)
    with np.errstate(invalid="ignore"):
        far = np.where((first == second) | (np.isnan(first) & np.isnan(second)), 0.0, np.abs(first - second))
    far = np.where(np.isnan(far), np.inf, far)
    allowed = np.broadcast_to(tolerance(wanted), far.shape)
    place = np.unravel_index(int(np.argmax(far - allowed)), far.shape)
    return Distance(float(far[place]), float(allowed[place]), tuple(int(index) for index in place))


def same(one: Mapping[str, Array], other: Mapping[str, Array], names: Iterable[str]) -> bool:
    """Whether the arrays of these names have the same values, NaN for NaN."""
    return all(
        name in other and np.array_equal(one[name], other[name], equal_nan=one[name].dtype.kind == "f")
        for name in names
    )
