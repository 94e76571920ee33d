"""Sample rates that are one and the same, though they are written differently."""

from __future__ import annotations

#: How far two rates may be from each other: a frame period typed with five digits is that close, and rates that differ
#: (48,000 and 47,952 Hz of film sound are the closest) are ten times as far apart.
_WITHIN = 1e-4


def same_rate(rate: float, wanted: float) -> bool:
    """Whether two rates, in Hz and above 0, are one."""
    return abs(rate / wanted - 1) <= _WITHIN
