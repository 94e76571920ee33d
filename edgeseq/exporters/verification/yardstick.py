"""How far a stream may be from the module: four times as far as the module's own float32 run is at the same step.

Distances are from the float64 module. Rounding accumulates, so the noise *at a step* is the largest that the module's
float32 run had up to a few frames after that step: one frame has few values to judge by. Where that run hits the
float64 one exactly, one unit of rounding at the output's scale takes its place.

Some correct models amplify rounding: an RNN with large recurrent weights is chaotic. How far two correct float32 runs
of it are off then differs by more than any factor, by chance, so the whole is compared only until amplification shows;
what follows is compared in windows (``windows.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

FACTOR = 4.0
#: A module whose own rounding becomes a larger part of its output than this, and was not from the start, amplifies.
_AMPLIFIED = 1e-3
#: Units of rounding beyond which noise in an amplifying module is its own amplification; and those that stand for
#: smaller noise up to there, since another right run may be amplifying already.
_CUT, _FLOOR = 8.0, 32.0
#: Units of rounding that stand for the noise of values of too few lengths, such as the last of a long run.
SINGLE = 8.0

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

    ``units``: of rounding, that take the place of a smaller noise; more than one where there are few values to see
    noise in. ``ahead``: frames after a step whose noise counts for it. ``cut``: compare only until the module's
    amplification of rounding shows.
    """

    atol: float = 0.0
    rtol: float = 0.0
    units: float = 1.0
    ahead: int = 16
    cut: bool = False

    def amplifying(self) -> Yardstick:
        """The same for a module that amplifies rounding: until that shows, and by more units of it."""
        return replace(self, units=_FLOOR, ahead=0, cut=True)

    def allowed(self, exact: Array, plain: Array, axis: int | None = None) -> Array:
        """The distance allowed at every element, given the module's float64 and float32 outputs and its time axis."""
        if exact.size == 0 or not np.issubdtype(plain.dtype, np.floating):
            return np.zeros(exact.shape)
        return np.broadcast_to(self.by_step(exact, plain, axis) + self.rtol * _finite(exact), exact.shape)

    def by_step(self, exact: Array, plain: Array, axis: int | None = None) -> Array:
        """What is allowed at each step without ``rtol``, to be broadcast against the output."""
        if exact.size == 0 or not np.issubdtype(plain.dtype, np.floating):
            return np.zeros((1,) * exact.ndim)
        unit = self.units * float(np.finfo(plain.dtype).eps) * _so_far(_finite(exact), axis, self.ahead)
        return np.asarray(FACTOR * np.maximum(_so_far(_distance(plain, exact), axis, self.ahead), unit) + self.atol)

    def compare(
        self,
        streamed: Array,
        exact: Array,
        plain: Array,
        axis: int | None = None,
        longer: tuple[Array, Array] | None = None,
    ) -> Found:
        """Hold a stream's output against the module's in float64 and in float32, all of one shape.

        ``longer``: the module's outputs for a sequence that goes on, in float64 and in float32. A short one ends before
        the frames whose noise counts for its own. Nothing is compared from where the module itself leaves the range of
        float32 on.
        """
        compared = in_range(exact, plain, axis)
        streamed, exact, plain = (_first(array, axis, compared) for array in (streamed, exact, plain))
        distance, allowed = _distance(streamed, exact), self.allowed(exact, plain, axis)
        if longer is not None and axis is not None and allowed.size and in_range(*longer, axis) is None:
            allowed = np.maximum(allowed, _first(self.by_step(*longer, axis), axis, allowed.shape[axis]))
        if self.cut and (before := _before_amplification(exact, plain, axis)) is not None:
            distance, allowed, compared = _first(distance, axis, before), _first(allowed, axis, before), before
        if distance.size == 0:
            return Found(0.0, 0.0, None, compared)
        place = np.unravel_index(int(np.argmax(distance - allowed)), distance.shape)
        worst, limit = float(distance[place]), float(allowed[place])
        return Found(worst, limit, tuple(int(i) for i in place) if worst > limit else None, compared)

    def compare_ends(self, streamed: Array, exact: Array, plain: Array) -> Found:
        """Hold values without a time axis, after the last of several lengths, by the noise of all these lengths.

        ``exact`` and ``plain`` are ``[lengths, ...]``, ``streamed`` the values of the last of them. Where there are no
        more lengths than noise is taken over, nothing makes up for one value's luck: ``SINGLE`` units take the place of
        smaller noise. The place of what is found counts all lengths.
        """
        whole = np.concatenate([exact[: len(exact) - len(streamed)], streamed])
        units = self.units if len(exact) > self.ahead else max(self.units, SINGLE)
        return replace(self, units=units).compare(whole, exact, plain, 0)


def _first(array: Array, axis: int | None, frames: int | None) -> Array:
    """The first frames of an array; all of it for None."""
    return array if frames is None else array[(*(slice(None),) * (axis or 0), slice(0, frames))]


def in_range(exact: Array, plain: Array, axis: int | None) -> int | None:
    """Frames before the first at which float32 overflows and float64 does not; None: there is none such."""
    if exact.size == 0 or not np.issubdtype(plain.dtype, np.floating):
        return None
    lost = _highest((np.isfinite(exact) & ~np.isfinite(plain)).astype(np.float64), axis) > 0
    return int(np.argmax(lost)) if lost.any() else None


def amplifies(exact: Array, plain: Array, axis: int) -> bool:
    """Whether the module's float32 run leaves its float64 run, having kept to it in its first frame."""
    if exact.size == 0 or not np.issubdtype(plain.dtype, np.floating):
        return False
    lost = _highest(_distance(plain, exact), axis) > _AMPLIFIED * _highest(_finite(exact), axis)
    return bool(lost.any()) and not lost[0]


def _before_amplification(exact: Array, plain: Array, axis: int | None) -> int | None:
    """Frames from the first on with little more than fresh rounding; None: all of them."""
    if exact.size == 0 or not np.issubdtype(plain.dtype, np.floating):
        return None
    unit = float(np.finfo(plain.dtype).eps) * _highest(_finite(exact), axis)
    noise = _highest(_distance(plain, exact), axis)
    fresh = noise[0] if axis is not None else 0.0
    amplified = noise > np.maximum(_CUT * unit, FACTOR * fresh)
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


def _so_far(values: Array, axis: int | None, ahead: int) -> Array:
    """The running maximum along ``axis``, ``ahead`` frames on; of everything where there is no time axis."""
    if axis is None:
        return np.asarray(np.max(values, keepdims=True))
    highest = _highest(values, axis)
    ahead = min(ahead, len(highest))
    highest = np.append(highest[ahead:], np.full(ahead, highest[-1]))
    return highest.reshape([-1 if index == axis else 1 for index in range(values.ndim)])
