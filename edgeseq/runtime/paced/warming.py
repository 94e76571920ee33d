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
from typing import Any, TypeVar

import numpy as np

from edgeseq.errors import UsageError
from edgeseq.runtime.devices import Array
from edgeseq.runtime.paced.board import Board
from edgeseq.runtime.paced.places import Place
from edgeseq.runtime.paced.splitting import Splitting
from edgeseq.runtime.stream import Stream

#: Steps after which a scratch stream begins anew, so that its caches stay small.
_SCRATCH_STEPS = 64
#: One value of each cache line of 64 bytes.
_LINE = 8


@dataclass(frozen=True)
class Spin:
    """Read the clock again and again in the last ``lead`` seconds, instead of sleeping: no wake can be late then.

    With ``lead=inf`` the loop never sleeps while it waits for a slot: a whole core.
    """

    lead: float = 0.0003


@dataclass(frozen=True)
class Dummy:
    """A step of a scratch stream of the same model ``lead`` seconds before a slot is due; the real one is not touched.

    It reads the same weights and runs the same code. The rest of ``lead`` is slept, or spun with a ``Spin``.
    """

    lead: float = 0.001


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
    """What a strategy may use. ``scratch`` opens a stream of the same model, ``frames`` are one chunk for it.

    ``limit``: base frames that such a stream may take, None for no limit.
    """

    board: Board
    scratch: Callable[[], Stream]
    frames: Mapping[str, Array]
    limit: int | None
    path: str
    clock: Callable[[], int]


#: Done ``lead`` before the time that it is given, when a slot is due.
Act = Callable[[int], object]
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
def _spin(config: Spin, scene: Scene) -> Act:
    clock, head = scene.clock, scene.board.head

    def act(due_ns: int) -> None:
        while clock() < due_ns and not head[Place.STOP]:
            pass

    return act


@strategy(Dummy)
def _dummy(config: Dummy, scene: Scene) -> Act:
    stream, frames, board = scene.scratch(), scene.frames, scene.board
    splitting = Splitting(board.contract, board.chunk, board.layout.room)
    most = min(_SCRATCH_STEPS * board.chunk, scene.limit or _SCRATCH_STEPS * board.chunk)

    def act(due_ns: int) -> None:
        if stream.frames_in + board.chunk > most:
            stream.reset()
        # What goes with a step is cold too: the answer is written where the next one will be, and not counted.
        for part in splitting.parts(stream.step(frames), 0, 1):
            board.replies.write(part, (0, 0, 0, 0, False), counted=False)

    return act


@strategy(Touch)
def _touch(config: Touch, scene: Scene) -> Act:
    lines = np.fromfile(scene.path, np.uint8, Path(scene.path).stat().st_size // 64 * 64).view(np.uint64)[::_LINE]
    return lambda due_ns: lines.sum()


class Warming:
    """Strategies one after the other, the one with the longest lead first."""

    def __init__(self, parts: Sequence[tuple[int, Act]], clock: Callable[[], int]) -> None:
        """``parts``: leads in nanoseconds, and what is done."""
        self._parts = sorted(parts, key=lambda part: -part[0])
        self._clock = clock
        self.lead_ns = self._parts[0][0]

    def until(self, due_ns: int) -> None:
        """Do what each does at its time, and return when the slot is due."""
        for lead, act in self._parts:
            self._sleep(due_ns - lead)
            act(due_ns)
        self._sleep(due_ns)

    def _sleep(self, until_ns: int) -> None:
        if (early := until_ns - self._clock()) > 0:
            time.sleep(early / 1e9)


def warming(configs: Sequence[Strategy], scene: Scene) -> Warming | None:
    """The strategies, prepared; None where there are none."""
    parts = [(_ns(config.lead), _PREPARED[type(config)](config, scene)) for config in configs]
    return Warming(parts, scene.clock) if parts else None


def check_keep_warm(given: object) -> tuple[Strategy, ...]:
    """The strategies that were asked for; UsageError for anything else."""
    several = () if given is None else given if isinstance(given, (tuple, list)) else (given,)
    for config in several:
        if type(config) not in _PREPARED:
            raise UsageError(
                "unknown keep_warm", got=repr(config), wanted=", ".join(sorted(kind.__name__ for kind in _PREPARED))
            )
        if not (config.lead > 0 and (isfinite(config.lead) or isinstance(config, Spin))):
            raise UsageError("lead must be a number of seconds above 0", got=repr(config))
    if len({type(config) for config in several}) < len(several):
        raise UsageError("keep_warm has one strategy twice", got=repr(given))
    return tuple(several)


def to_plain(configs: Sequence[Strategy]) -> tuple[dict[str, Any], ...]:
    """The strategies as JSON has them, which knows no infinity."""
    return tuple({"kind": type(config).__name__, "lead": min(config.lead, 1e9)} for config in configs)


def from_plain(values: Sequence[Mapping[str, Any]]) -> tuple[Strategy, ...]:
    """What :func:`to_plain` gave."""
    kinds = {kind.__name__: kind for kind in _PREPARED}
    return tuple(kinds[value["kind"]](value["lead"]) for value in values)


def _ns(seconds: float) -> int:
    return round(min(seconds, 1e9) * 1e9)
