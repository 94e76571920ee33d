"""Numbers with units, as people read them."""

from __future__ import annotations

import math
from collections.abc import Iterable

#: How steps were made, in words; ``at_N`` is said by who shows positions.
MODES = {"back_to_back": "back to back", "paced": "paced", "paced_step": "step alone"}
_TIMES = (("s", 1e9), ("ms", 1e6), ("us", 1e3), ("ns", 1.0))
_SIZES = (("GiB", 2.0**30), ("MiB", 2.0**20), ("KiB", 2.0**10), ("B", 1.0))


def time_unit(values_ns: Iterable[float]) -> tuple[str, float]:
    """The unit for an axis that holds all of these, and its nanoseconds: that of the middle between its ends."""
    return _unit(_TIMES, values_ns)


def size_unit(values: Iterable[float]) -> tuple[str, float]:
    """The unit for an axis that holds all of these, and its bytes: that of the middle between its ends."""
    return _unit(_SIZES, values)


def duration(ns: float | None) -> str:
    """Three digits and a unit: 12.3 us."""
    return "-" if ns is None else _written(_TIMES, ns)


def span(low_ns: float, high_ns: float) -> str:
    """From one to the other, the unit once where it is the same: 12.3 to 12.9 us."""
    (low, unit), (high, other) = (duration(ns).rsplit(" ", 1) for ns in (low_ns, high_ns))
    return f"{low} to {high} {other}" if unit == other else f"{low} {unit} to {high} {other}"


def size(count: float | None) -> str:
    """Three digits and a unit: 4.00 KiB."""
    return "-" if count is None else _written(_SIZES, count)


def digits(value: float) -> str:
    """At least three digits: 0.0123, 1.23, 12.3, 1,234."""
    if value == 0:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")


def plain(value: float) -> str:
    """A number beside a tick: 0.5, 20, 1,000."""
    return f"{value:,.0f}" if abs(value) >= 1 and value == round(value) else f"{value:g}"


def _unit(units: tuple[tuple[str, float], ...], values: Iterable[float]) -> tuple[str, float]:
    above = [value for value in values if value > 0] or [1.0]
    middle = math.sqrt(min(above) * max(above))
    return next((unit for unit in units if middle >= unit[1]), units[-1])


def _written(units: tuple[tuple[str, float], ...], value: float) -> str:
    name, factor = next((unit for unit in units if abs(value) >= 0.9995 * unit[1]), units[-1])
    return f"{value:,.0f} {name}" if factor == 1 else f"{digits(value / factor)} {name}"
