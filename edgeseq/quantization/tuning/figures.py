"""What is known of a candidate, one value per process where processes differ."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from edgeseq.quantization.tuning.candidates import Candidate


@dataclass(frozen=True)
class Figures:
    """A candidate's size, error, and what its processes measured; empty where it was not measured.

    ``sqnr_db`` is that of the worst output on a short stream, None for the float file or where no error is seen;
    ``memory_bytes`` the most that each process had resident. ``failed``: why it could not be made or run.
    """

    candidate: Candidate
    size_bytes: int | None = None
    sqnr_db: float | None = None
    p50_us: tuple[float, ...] = ()
    p99_us: tuple[float, ...] = ()
    memory_bytes: tuple[int, ...] = ()
    failed: str | None = None

    def of(self, name: str) -> tuple[float, ...]:
        """The values of ``p50``, ``p99``, ``memory``, ``size`` or ``sqnr``."""
        several: dict[str, tuple[float, ...]] = {
            "p50": self.p50_us,
            "p99": self.p99_us,
            "memory": self.memory_bytes,
            "size": () if self.size_bytes is None else (self.size_bytes,),
            "sqnr": () if self.sqnr_db is None else (self.sqnr_db,),
        }
        return several[name]

    def middle(self, name: str) -> float | None:
        """The median of those values."""
        values = self.of(name)
        return statistics.median(values) if values else None

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            **self.candidate.to_dict(),
            "size_bytes": self.size_bytes,
            "sqnr_db": self.sqnr_db,
            "p50_us": list(self.p50_us),
            "p99_us": list(self.p99_us),
            "memory_bytes": list(self.memory_bytes),
        }


def ratio(first: Figures, other: Figures, name: str) -> float | None:
    """How many times the value of ``other`` that of ``first`` is: the median over processes of the same round."""
    pairs = list(zip(first.of(name), other.of(name), strict=False))
    return round(statistics.median(before / after for before, after in pairs), 3) if pairs else None
