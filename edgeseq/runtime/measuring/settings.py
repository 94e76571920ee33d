"""What one measuring process is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Settings:
    """What one run does.

    ``steps`` are timed in each mode, or as many as ``duration_ns`` has; ``period_ns`` None: no paced steps. ``warmup``
    steps are set apart, None: as many as the samples show to be. ``frames`` are the base frames of one step of
    ``batch`` streams in lock-step; ``streams`` of those take turns, or are one ``pool``. ``at`` lists positions around
    which steps are timed too, in ``passes``. ``busy_thread``: a thread of Python runs beside them. ``delay_ns`` is
    waited inside every step, a known difference for a self-check. ``provider``, its options, ``allow_cpu_nodes`` and
    ``cuda_graph`` as for ``load``.
    """

    path: str
    steps: int
    period_ns: int | None
    warmup: int | None
    batch: int
    threads: int
    device: str
    frames: int
    at: tuple[int, ...]
    passes: int
    seed: int
    allow_unverified: bool = False
    spinning: bool = True
    duration_ns: int | None = None
    streams: int = 1
    pool: bool = False
    busy_thread: bool = False
    delay_ns: int = 0
    provider: str | None = None
    provider_options: Mapping[str, str] | None = None
    allow_cpu_nodes: bool = False
    cuda_graph: bool | None = None

    @property
    def place(self) -> dict[str, Any]:
        """Where the file is run, as ``load`` takes it."""
        return {
            "device": self.device,
            "provider": self.provider,
            "provider_options": self.provider_options,
            "allow_cpu_nodes": self.allow_cpu_nodes,
            "cuda_graph": self.cuda_graph,
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Settings:
        """The settings that :meth:`to_dict` gave."""
        return cls(**{**given, "at": tuple(given["at"])})
