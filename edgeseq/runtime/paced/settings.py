"""What a paced stream is run with, as plain values: both sides make everything else of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from edgeseq.runtime.paced.pace import Policy


@dataclass(frozen=True)
class Settings:
    """``opened`` are the arguments of ``load``, ``sizes`` those of named axes. Times are in nanoseconds.

    ``digest``: what the file must have, where the caller had it loaded. ``given``: conditioning that the caller gave.
    ``warming`` and ``scheduling`` are plain too. ``alone``: the loop has a process of its own.
    """

    path: str
    opened: Mapping[str, Any]
    digest: str | None
    batch: int
    sizes: Mapping[str, int]
    given: tuple[str, ...]
    max_context: int | None
    on_nonfinite: str
    on_late: Policy
    chunk: int
    queue: int
    answers: int
    period_ns: int
    margin_ns: int
    deadline_ns: int
    warming: tuple[Mapping[str, Any], ...]
    scheduling: Mapping[str, Any]
    alone: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON has them."""
        return asdict(self)
