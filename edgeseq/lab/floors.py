"""The floor of every variant, the machine's speeds measured once for all that are alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgeseq.lab.floor import measure_floors
from edgeseq.runtime.loading import describe
from edgeseq.runtime.measuring.settings import Settings


def floors_of(asked: Sequence[Settings]) -> dict[Settings, dict[str, Any]]:
    """The floor of each as plain values: of a step amid the back-to-back ones, and under ``at`` at each position."""
    found: dict[Settings, dict[str, Any]] = {}
    for settings in asked:
        alike = [one for one in asked if _kind(one) == _kind(settings)]
        if settings not in found:
            found |= _measured(alike)
    return found


def _kind(settings: Settings) -> tuple[Any, ...]:
    return _batch(settings), settings.frames, settings.threads, settings.at, _typical(settings)


def _measured(alike: Sequence[Settings]) -> dict[Settings, dict[str, Any]]:
    first = alike[0]
    positions = [_typical(first), *first.at]
    rows = measure_floors([one.path for one in alike], positions, _batch(first), first.frames, first.threads)
    return {
        settings: {
            **row[0].to_dict(),
            "at": {str(at): floor.to_dict() for at, floor in zip(first.at, row[1:], strict=True)},
        }
        for settings, row in zip(alike, rows, strict=True)
    }


def _batch(settings: Settings) -> int:
    """Streams that one call steps."""
    return settings.streams if settings.pool else settings.batch


def _typical(settings: Settings) -> int:
    """The position of the step in the middle of those back to back."""
    limit = describe(settings.path).contract.max_context
    turns = 1 if settings.pool else settings.streams
    reached = settings.steps * settings.frames // turns
    return (reached if limit is None else min(reached, limit)) // 2
