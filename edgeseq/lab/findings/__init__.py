"""What a result shows besides its figures, by name."""

from __future__ import annotations

from dataclasses import dataclass

from edgeseq.lab.comparison import Comparison
from edgeseq.runtime.measuring.latency import Latency


@dataclass(frozen=True)
class Finding:
    """``name`` is one word or two, ``sentence`` what was found."""

    name: str
    sentence: str


def find(latency: Latency) -> tuple[Finding, ...]:
    """What one result shows."""
    return tuple(Finding("doubt", sentence) for sentence in latency.doubts)


def find_across(comparison: Comparison) -> tuple[Finding, ...]:
    """What several results show together."""
    return ()
