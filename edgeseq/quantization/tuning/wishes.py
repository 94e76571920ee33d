"""What a file is tuned to: the quantity that is to be least, and limits that have to hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from edgeseq.errors import UsageError
from edgeseq.quantization.tuning.figures import Figures

Objective: TypeAlias = Literal["p50", "p99", "size", "memory"]
OBJECTIVES: tuple[str, ...] = get_args(Objective)
#: What may be limited, in the units of ``Figures``; all but SQNR from above.
LIMITS = ("size", "sqnr", "memory", "p50", "p99")
_TIMES = ("p50", "p99")


@dataclass(frozen=True)
class Missed:
    """A limit that a candidate does not keep; ``by``: the larger over the smaller, less one."""

    text: str
    by: float


@dataclass(frozen=True)
class Wishes:
    """``limits`` by name: ``size`` and ``memory`` in bytes, ``sqnr`` in dB, ``p50`` and ``p99`` in microseconds."""

    minimize: Objective
    limits: Mapping[str, float]

    def missed(self, figures: Figures) -> list[Missed]:
        """The limits that are known to be missed; in time and memory the worst process counts."""
        found = [_missed(name, limit, figures) for name, limit in self.limits.items()]
        return [miss for miss in found if miss is not None]

    @property
    def times(self) -> bool:
        """Whether it matters how long a step takes."""
        return bool({self.minimize, *self.limits} & set(_TIMES))

    def needs(self, quantile: str) -> bool:
        """Whether this quantile is asked for."""
        return quantile in (self.minimize, *self.limits)

    def __str__(self) -> str:
        limits = ", ".join(
            f"{name} {'at least' if name == 'sqnr' else 'at most'} {in_words(name, value)}"
            for name, value in self.limits.items()
        )
        return f"least {self.minimize}{f' with {limits}' if limits else ''}"


def wishes(minimize: str, subject_to: Mapping[str, float] | None = None) -> Wishes:
    """What is asked for; ``p50`` and ``p99`` are given in seconds. UsageError for what there is not."""
    if minimize not in OBJECTIVES:
        raise UsageError("cannot minimize that", got=repr(minimize), wanted=f"one of {', '.join(OBJECTIVES)}")
    limits = dict(subject_to or {})
    for name, value in limits.items():
        if name not in LIMITS:
            raise UsageError("unknown constraint", got=repr(name), wanted=f"one of {', '.join(LIMITS)}")
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value <= 0:
            raise UsageError(f"the limit of {name} must be a number above 0", got=repr(value))
    scaled = {name: value * 1e6 if name in _TIMES else value for name, value in limits.items()}
    return Wishes(minimize, scaled)  # type: ignore[arg-type]


def in_words(name: str, value: float, digits: int = 4) -> str:
    """A quantity with its unit."""
    if name == "sqnr":
        return f"{value:.{digits}g} dB"
    small, large = ("us", "ms") if name in _TIMES else ("KB", "MB")
    thousands = value if name in _TIMES else value / 1000
    return f"{thousands:.{digits}g} {small}" if thousands < 1000 else f"{thousands / 1000:.{digits}g} {large}"


def _missed(name: str, limit: float, figures: Figures) -> Missed | None:
    values = figures.of(name)
    if not values:
        return None
    found = min(values) if name == "sqnr" else max(values)
    low, high = (found, limit) if name == "sqnr" else (limit, found)
    if low >= high:
        return None
    bound = "at least" if name == "sqnr" else "at most"
    text = f"{name} {in_words(name, found)}, {bound} {in_words(name, limit)} wanted"
    return Missed(text, high / low - 1 if low > 0 else math.inf)
