"""Stop sequences: what might yet become one is held back, and what has become one ends the sequence."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Stops(Generic[T]):
    """Items in one by one, tokens or characters; out come those that belong to no stop sequence.

    ``matched`` is the stop sequence that ended it, None before. Where two end at once it is the longer one.
    """

    def __init__(self, stops: Sequence[tuple[T, ...]]) -> None:
        self._stops = sorted(stops, key=len, reverse=True)
        self._held: list[T] = []
        self.matched: tuple[T, ...] | None = None

    def push(self, item: T) -> list[T]:
        """The items that are out of the question as a part of a stop sequence once ``item`` has come."""
        held = [*self._held, item]
        self.matched = next((stop for stop in self._stops if tuple(held[-len(stop) :]) == stop), None)
        kept = len(self.matched) if self.matched else max((_begun(held, stop) for stop in self._stops), default=0)
        self._held = held[len(held) - kept :]
        return held[: len(held) - kept]

    def rest(self) -> list[T]:
        """What is held back, given up: no more items come. Nothing of a stop sequence that matched."""
        rest = [] if self.matched else self._held
        self._held = []
        return rest


def _begun(items: list[T], stop: tuple[T, ...]) -> int:
    """How many of the last items are the first ones of ``stop``."""
    most = min(len(items), len(stop) - 1)
    return next((n for n in range(most, 0, -1) if tuple(items[-n:]) == stop[:n]), 0)
