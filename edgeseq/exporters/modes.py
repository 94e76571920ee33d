"""How a model is made to stream."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Exact:
    """Step by step, exactly what the model computes on whole sequences; what cannot be is refused."""

    name: str = "exact"


Mode = Exact
