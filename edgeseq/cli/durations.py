"""Durations as people write them: ``10ms``, ``8us``, ``0.5s``; and rates, their inverse, in Hz."""

from __future__ import annotations

import re

from edgeseq.errors import UsageError

_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(s|ms|us|ns)\s*", re.ASCII)


def parse_duration(text: str) -> float:
    """Seconds in ``10ms``, ``8us`` or ``0.5s``; UsageError where the text is no duration above zero."""
    match = _DURATION.fullmatch(text)
    if match is None or float(match[1]) == 0:
        raise UsageError(
            "cannot read a duration",
            got=repr(text),
            wanted="a number above zero and s, ms, us or ns",
            do="example: 10ms",
        )
    number = float(match[1])
    # Dividing keeps 10ms at exactly 0.01; multiplying by 1e-3 would not for every number.
    return number / round(1 / _UNITS[match[2]])


def format_duration(seconds: float) -> str:
    """A duration in the unit that suits it, three digits: ``24 ms``, ``2.05 s``, ``7.52 us``."""
    for unit, size in _UNITS.items():
        if seconds >= size or unit == "ns":
            return f"{seconds / size:.3g} {unit}" if seconds / size < 1000 else f"{seconds / size:,.0f} {unit}"
    raise AssertionError("unreachable")


def rate_of(period: float) -> float:
    """Frames per second of a period in seconds: a whole number where the period is the inverse of one.

    A float64 holds 1 / rate so closely that every whole rate up to 10^9 Hz comes back as it was.
    """
    rate = 1 / period
    whole = round(rate)
    return whole if abs(rate - whole) <= 1e-12 * rate else rate


def format_rate(rate: float) -> str:
    """A rate with six digits, or all of them where it is whole: ``44,100 Hz``, ``29.97 Hz``."""
    return f"{round(rate):,} Hz" if rate == round(rate) else f"{rate:,.6g} Hz"
