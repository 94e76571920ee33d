"""How far a stream may be from the module: four times as far as the module's own float32 run is at the same step.

Distances are from the float64 module. Rounding accumulates, so the noise *at a step* is the largest that the module's
float32 run had up to a few frames after that step: one frame has few values to judge by. Where that run hits the
float64 one exactly, one unit of rounding at the output's scale takes its place.

Some correct models amplify rounding: an RNN with large recurrent weights is chaotic. How far two correct float32 runs
of it are off then differs by more than any factor, by chance, so the whole is compared only until amplification shows;
what follows is compared in windows (``windows.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

FACTOR = 4.0
#: Frames after a step whose noise counts for it.
_AHEAD = 16
#: A module whose own rounding becomes a larger part of its output than this, and was not from the start, amplifies.
_AMPLIFIED = 1e-3
#: Units of rounding beyond which noise in an amplifying module is its own amplification.
_UNITS = 32

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Found:
    """A comparison: distance and allowance where they are most at odds, and the place if it is too far there.

    ``compared``: frames from the first on that were compared, where the rest is left to windows; None: all.
    """

    distance: float
    allowed: float
    place: tuple[int, ...] | None
    compared: int | None = None


@dataclass(frozen=True)
class Yardstick:
    """``|stream - exact| <= FACTOR * max(noise, eps * scale) + atol + rtol * |exact|``, noise and scale so far.

    ``amplifying``: compare only until the module's amplification of rounding shows.
    """

    atol: float = 0.0
    rtol: float = 0.0
    amplifying: bool = False

    def allowed(self, exact: Array, plain: Array, axis: int | None = None) -> Array:
        """The distance allowed at every element, given the module's float64 and float32 outputs and its time axis."""
        if exact.size == 0 or not np.issubdtype(plain.dtype, np.floating):
            return np.zeros(exact.shape)
        return np.broadcast_to(self.by_step(exact, plain, axis) + self.rtol * _finite(exact), exact.shape)

    def by_step(self, exact: Array, plain: Array, axis: int | None = None) -> Array:
        """What is allowed at each step without ``rtol``, to be broadcast against the output."""
        if exact.size == 0 or not np.issubdtype(plain.dtype, np.floating):
            return np.zeros((1,) * exact.ndim)
        unit = float(np.finfo(plain.dtype).eps) * scale_of(exact, axis)
        if self.amplifying and axis is None:
            unit = unit * _UNITS  # one frame's value says nothing of how far other runs are off
        return np.asarray(FACTOR * np.maximum(noise_of(exact, plain, axis), unit) + self.atol)

    def compare(self, streamed: Array, exact: Array, plain: Array, axis: int | None = None) -> Found:
        """Hold a stream's output against the module's in float64 and in float32, all of one shape."""
        compared = _before_amplification(exact, plain, axis) if self.amplifying else None
        distance, allowed = _distance(streamed, exact), self.allowed(exact, plain, axis)
        if compared is not None:
            first = (*(slice(None),) * (axis or 0), slice(0, compared))
            distance, allowed = distance[first], allowed[first]
        if distance.size == 0:
            return Found(0.0, 0.0, None, compared)
        place = np.unravel_index(int(np.argmax(distance - allowed)), distance.shape)
        worst, limit = float(distance[place]), float(allowed[place])
        return Found(worst, limit, tuple(int(i) for i in place) if worst > limit else None, compared)


def noise_of(exact: Array, plain: Array, axis: int | None) -> Array:
    """The largest distance between the module's two runs up to soon after each step, to be broadcast against them."""
    return _so_far(_distance(plain, exact), axis)


def scale_of(exact: Array, axis: int | None) -> Array:
    """The largest magnitude up to each step, to be broadcast against ``exact``."""
    return _so_far(_finite(exact), axis)


def amplifies(exact: Array, plain: Array, axis: int) -> bool:
    """Whether the module's float32 run leaves its float64 run, having kept to it at first."""
    if exact.size == 0 or not np.issubdtype(plain.dtype, np.floating):
        return False
    lost = np.ravel(noise_of(exact, plain, axis) > _AMPLIFIED * scale_of(exact, axis))
    return bool(lost.any()) and not lost[0]


def _before_amplification(exact: Array, plain: Array, axis: int | None) -> int | None:
    """Frames from the first on with little more than fresh rounding; None: all of them."""
    if exact.size == 0 or not np.issubdtype(plain.dtype, np.floating):
        return None
    unit = float(np.finfo(plain.dtype).eps) * _highest(_finite(exact), axis)
    amplified = _highest(_distance(plain, exact), axis) > _UNITS * unit
    return int(np.argmax(amplified)) if amplified.any() else None


def _finite(exact: Array) -> Array:
    """Magnitudes, those that are not finite left out."""
    return np.where(np.isfinite(exact), np.abs(exact), 0.0)


def _distance(one: Array, other: Array) -> Array:
    """Absolute differences; equal infinities and NaNs on both sides are no difference, on one side an infinite one."""
    if one.dtype.kind != "f" or other.dtype.kind != "f":
        return np.abs(one.astype(np.float64) - other.astype(np.float64))
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.abs(one.astype(np.float64) - other.astype(np.float64))
    distance = np.where(np.isnan(distance), np.inf, distance)
    return np.where((one == other) | (np.isnan(one) & np.isnan(other)), 0.0, distance)


def _highest(values: Array, axis: int | None) -> Array:
    """The running maximum along ``axis``, over all other axes; one value where there is no time axis."""
    if axis is None:
        return np.asarray(np.max(values)).reshape(1)
    others = tuple(index for index in range(values.ndim) if index != axis)
    return np.asarray(np.maximum.accumulate(np.max(values, axis=others)))


def _so_far(values: Array, axis: int | None) -> Array:
    """The running maximum along ``axis`` a few frames on; of everything where there is no time axis."""
    if axis is None:
        return np.asarray(np.max(values, keepdims=True))
    highest = _highest(values, axis)
    highest = np.append(highest[_AHEAD:], np.full(min(_AHEAD, len(highest)), highest[-1]))
    return highest.reshape([-1 if index == axis else 1 for index in range(values.ndim)])
