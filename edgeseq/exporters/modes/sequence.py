"""Whole sequences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Sequence:
    """Whole sequences, exactly, one per call and without any state: ``Model.run`` runs them, nothing streams."""

    name: ClassVar[str] = "sequence"
