"""Keeping a core warm: what is done just before a slot is due, so that its step finds caches and clock as they were.

A strategy is a frozen config and a function that is registered for it: the function prepares what the strategy needs,
and returns what is to be done ``lead`` seconds before a slot is due. ``docs/deadlines.md``: what each buys and costs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from edgeseq.errors import UsageError
from edgeseq.runtime.paced.board import Board
from edgeseq.runtime.paced.places import Place

#: One value of each cache line of 64 bytes.
_LINE = 8
#: Seconds that are as good as for ever.
_LONGEST = 1e9
#: What a cold step and a late wake are taken to be at first, and what is always added to a lead.
_COLD_NS, _LATE_NS, _SPARE_NS = 300_000.0, 200_000.0, 300_000


@dataclass(frozen=True)
class Spin:
    """Read the clock again and again in the last ``lead`` seconds, instead of sleeping: no wake can be late then.

    With ``lead=inf`` the loop never sleeps while it waits for a slot: a whole core.
    """

    lead: float = 0.0003


@dataclass(frozen=True)
class Dummy:
    """Steps of a scratch stream of the same model, one after the other for ``lead`` seconds until a slot is due.

    They read the same weights and run the same code; the real stream is not touched. The last one ends before the slot
    is due, as far as the one before it tells, and the rest is spun. ``lead=None``: what waking and the first of
    them, which finds everything cold, have lately taken nine times in ten, and 0.3 ms; half a period at most.
    """

    lead: float | None = None


@dataclass(frozen=True)
class Touch:
    """Read the bytes of the model's file, as they lie in memory, ``lead`` seconds before a slot is due.

    onnxruntime computes with packed copies of the weights that nobody else can read: these are not the same bytes.
    """

    lead: float = 0.001


Strategy = Spin | Dummy | Touch
KeepWarm = Strategy | Sequence[Strategy] | None


@dataclass(frozen=True)
class Scene:
    """What a strategy may use. ``rehearse`` makes a whole turn of the loop on a scratch stream of the same model."""

    board: Board
    rehearse: Callable[[], object]
    path: str
    period_ns: int
    clock: Callable[[], int]


class Act(Protocol):
    """What a strategy does."""

    @property
    def lead_ns(self) -> int:
        """How long before a slot is due it begins next time."""

    def __call__(self, due_ns: int) -> object:
        """Do it, for a slot that is due then."""


_PREPARED: dict[type, Callable[[Any, Scene], Act]] = {}
Config = TypeVar("Config")


def strategy(kind: type[Config]) -> Callable[[Callable[[Config, Scene], Act]], Callable[[Config, Scene], Act]]:
    """Registers what prepares a strategy of this kind."""

    def register(prepare: Callable[[Config, Scene], Act]) -> Callable[[Config, Scene], Act]:
        if kind in _PREPARED:
            raise UsageError(f"{kind.__name__} is registered twice", got=prepare.__module__)
        _PREPARED[kind] = prepare
        return prepare

    return register


@strategy(Spin)
class Spinning:
    """Reads the clock."""

    def __init__(self, config: Spin, scene: Scene) -> None:
        self.lead_ns = nanoseconds(config.lead)
        self._clock, self._head = scene.clock, scene.board.head

    def __call__(self, due_ns: int) -> None:
        """Until it is time, or the loop is to stop."""
        clock, head = self._clock, self._head
        while clock() < due_ns and not head[Place.STOP]:
            pass


@strategy(Dummy)
class Rehearsal:
    """Turns of the loop on a stream that nobody reads: all that goes with a step is cold too."""

    def __init__(self, config: Dummy, scene: Scene) -> None:
        self._turn, self._clock, self._head = scene.rehearse, scene.clock, scene.board.head
        self._spin = Spinning(Spin(), scene)
        self._chosen, self._longest = config.lead, scene.period_ns // 2
        self._cold, self._late = _COLD_NS, _LATE_NS
        self.lead_ns = self._lead()

    def __call__(self, due_ns: int) -> None:
        """As many steps as fit."""
        clock = self._clock
        begun, took, first = clock(), 0, True
        self._late = _followed(self._late, begun - (due_ns - self.lead_ns))
        while begun + took + took // 4 < due_ns and not self._head[Place.STOP]:
            self._turn()
            took, begun = (now := clock()) - begun, now
            if first:
                self._cold, first = _followed(self._cold, took), False
        self.lead_ns = self._lead()
        self._spin(due_ns)

    def _lead(self) -> int:
        if self._chosen is not None:
            return nanoseconds(self._chosen)
        return min(self._longest, int(self._cold + self._late) + _SPARE_NS)


def _followed(estimate: float, found: float) -> float:
    """A time that one in ten or so exceeds: a tenth up where one does, a hundredth down where none does.

    A mean would follow the rare wake that takes milliseconds.
    """
    return 1.1 * estimate if found > estimate else max(0.99 * estimate, 1_000.0)


@strategy(Touch)
class Touching:
    """Reads one value of each cache line of a file's bytes."""

    def __init__(self, config: Touch, scene: Scene) -> None:
        self.lead_ns = nanoseconds(config.lead)
        whole = Path(scene.path).stat().st_size // 64 * 64
        self._lines = np.fromfile(scene.path, np.uint8, whole).view(np.uint64)[::_LINE]

    def __call__(self, due_ns: int) -> None:
        """All of them."""
        self._lines.sum()


class Warming:
    """Strategies one after the other, the one with the longest lead first."""

    def __init__(self, parts: Sequence[Act], clock: Callable[[], int]) -> None:
        self._parts = list(parts)
        self._clock = clock

    @property
    def lead_ns(self) -> int:
        """How long before a slot is due the first of them begins."""
        return max(part.lead_ns for part in self._parts)

    def until(self, due_ns: int) -> None:
        """Do what each does at its time, and return when the slot is due."""
        for part in sorted(self._parts, key=lambda part: -part.lead_ns):
            self._sleep(due_ns - part.lead_ns)
            part(due_ns)
        self._sleep(due_ns)

    def _sleep(self, until_ns: int) -> None:
        if (early := until_ns - self._clock()) > 0:
            time.sleep(early / 1e9)


def warming(configs: Sequence[Strategy], scene: Scene) -> Warming | None:
    """The strategies, prepared; None where there are none."""
    return Warming([_PREPARED[type(config)](config, scene) for config in configs], scene.clock) if configs else None


def check_keep_warm(given: object) -> tuple[Strategy, ...]:
    """The strategies that were asked for; UsageError for anything else."""
    several = () if given is None else given if isinstance(given, (tuple, list)) else (given,)
    for config in several:
        if type(config) not in _PREPARED:
            raise UsageError(
                "unknown keep_warm", got=repr(config), wanted=", ".join(sorted(kind.__name__ for kind in _PREPARED))
            )
        if not _is_lead(config.lead, endless=isinstance(config, Spin), none=isinstance(config, Dummy)):
            raise UsageError("lead must be a number of seconds above 0", got=repr(config))
    if len({type(config) for config in several}) < len(several):
        raise UsageError("keep_warm has one strategy twice", got=repr(given))
    return tuple(several)


def _is_lead(lead: object, endless: bool, none: bool) -> bool:
    if not isinstance(lead, (int, float)):
        return none and lead is None
    return lead > 0 and (endless or isfinite(lead))


def to_plain(configs: Sequence[Strategy]) -> tuple[dict[str, Any], ...]:
    """The strategies as JSON has them, which knows no infinity."""
    return tuple(
        {"kind": type(config).__name__, "lead": None if config.lead is None else min(config.lead, _LONGEST)}
        for config in configs
    )


def from_plain(values: Sequence[Mapping[str, Any]]) -> tuple[Strategy, ...]:
    """What :func:`to_plain` gave."""
    kinds = {kind.__name__: kind for kind in _PREPARED}
    return tuple(kinds[value["kind"]](value["lead"]) for value in values)


def nanoseconds(seconds: float) -> int:
    """A lead; one without end is longer than any period."""
    return round(min(seconds, _LONGEST) * 1e9)
