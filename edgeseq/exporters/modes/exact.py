"""The default mode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Exact:
    """Step by step, exactly what the model computes on whole sequences; what cannot be is refused."""

    name: ClassVar[str] = "exact"
