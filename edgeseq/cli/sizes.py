"""Sizes as people write them: ``2MB`` (1,000 times 1,000 bytes), ``64KiB`` (64 times 1,024); ``0.1%``; ``30dB``."""

from __future__ import annotations

import math
import re
from fractions import Fraction

from edgeseq.errors import UsageError

_UNITS = {
    "": 1,
    "B": 1,
    "kB": 1000,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "KiB": 1024,
    "MiB": 1024**2,
    "GiB": 1024**3,
}
_NUMBER = r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*"
_SIZE = re.compile(_NUMBER + "([A-Za-z]*)\\s*", re.ASCII)
_SHARE = re.compile(_NUMBER + r"%\s*", re.ASCII)
_DECIBELS = re.compile(_NUMBER + r"(?:dB)?\s*", re.ASCII)


def parse_size(text: str) -> int:
    """Bytes in ``2MB``, ``64KiB`` or ``500``; UsageError where the text is no whole number of bytes above zero."""
    match = _SIZE.fullmatch(text)
    size = Fraction(match[1]) * _UNITS[match[2]] if match is not None and match[2] in _UNITS else Fraction(0)
    if size <= 0 or size.denominator != 1:
        raise UsageError(
            "cannot read a size",
            got=repr(text),
            wanted="whole bytes above zero: a number and KB, MB, GB (thousands) or KiB, MiB, GiB (1,024s)",
            do="example: 64KiB",
        )
    return int(size)


def parse_share(text: str) -> float:
    """0.001 in ``0.1%``; UsageError where the text is no percentage above 0 and below 100."""
    match = _SHARE.fullmatch(text)
    share = Fraction(match[1]) / 100 if match is not None else Fraction(0)
    if not 0 < share < 1:
        raise UsageError(
            "cannot read a share",
            got=repr(text),
            wanted="a percentage above 0 and below 100",
            why=None if match is None or share else "that nothing is ever missed cannot be shown by measuring",
            do="example: 0.1%",
        )
    return float(share)


def parse_loss(text: str) -> float:
    """0.005 in ``0.5%``, 0 in ``0%``; UsageError where the text is no percentage from 0 to 100."""
    match = _SHARE.fullmatch(text)
    if match is None or float(match[1]) > 100:
        raise UsageError("cannot read a loss", got=repr(text), wanted="a percentage from 0 to 100", do="example: 0.5%")
    return float(Fraction(match[1]) / 100)


def parse_decibels(text: str) -> float:
    """30.0 in ``30dB`` or ``30``; UsageError where the text is no number of decibels from zero."""
    match = _DECIBELS.fullmatch(text)
    if match is None or not math.isfinite(float(match[1])):
        raise UsageError("cannot read decibels", got=repr(text), wanted="a number from 0 and dB", do="example: 30dB")
    return float(match[1])


def format_decibels(decibels: float) -> str:
    """``35.2 dB``."""
    return f"{decibels:.1f} dB"


def format_share(share: float) -> str:
    """A share in percent, three digits: ``0.04 %``."""
    return f"{100 * share:.3g} %"
