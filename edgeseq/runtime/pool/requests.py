"""What the streams of an asyncio front ask for, and what of it goes into the next tick."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgeseq.contract import Port
from edgeseq.runtime.devices import Array
from edgeseq.runtime.pool.stores import row_time


@dataclass(eq=False, slots=True)
class Request:
    """A step of ``count`` base frames, or other ``work`` of one stream without frames.

    ``begun`` once a tick took a part of it, ``done`` base frames so far, whose answers are ``parts``. ``batched``: the
    frames came with a batch axis, and so do the answers go.
    """

    slot: int
    generation: int
    answer: asyncio.Future[Any]
    work: Callable[[], Any] | None = None
    frames: Mapping[str, Array] = field(default_factory=dict)
    count: int = 0
    batched: bool = False
    begun: bool = False
    done: int = 0
    parts: list[dict[str, Array]] = field(default_factory=list)

    @property
    def left(self) -> int:
        """Base frames that no tick has taken yet."""
        return self.count - self.done

    def give(self, count: int, part: Any, ports: tuple[Port, ...]) -> bool:
        """Take the answer, or the failure, of a part of it; whether the request is through."""
        self.done += count
        if isinstance(part, Exception):
            self._set(self.answer.set_exception, part)
            return True
        if self.work is not None:
            self._set(self.answer.set_result, part)
            return True
        self.parts.append(part)
        if self.done < self.count:
            return False
        self._set(self.answer.set_result, _joined(self.parts, ports, self.batched))
        return True

    def _set(self, way: Callable[[Any], None], value: Any) -> None:
        if not self.answer.done():  # nobody waits any more where the caller was cancelled
            way(value)


def choose(queue: list[Request], budget: int | None, multiple: int) -> list[tuple[Request, int]]:
    """The first request of every slot, and how many of its base frames go into this tick.

    Those of more than ``multiple`` base frames share ``budget``, the oldest first; short ones are always taken.
    """
    chosen: dict[int, tuple[Request, int]] = {}
    budget = None if budget is None else max(budget, multiple)
    for request in queue:
        if request.slot in chosen:
            continue
        count = request.left
        if budget is not None and count > multiple:
            count = min(count, budget // multiple * multiple)
            budget -= count
        chosen[request.slot] = request, count
    return [(request, count) for request, count in chosen.values() if count or request.work is not None]


def _joined(parts: list[dict[str, Array]], ports: tuple[Port, ...], batched: bool) -> Any:
    """Several answers of one stream as one: frames end to end, of values without frames the last."""
    if len(parts) == len(ports) == 1:
        return parts[0][ports[0].name]
    named = {}
    for port in ports:
        arrays = [part[port.name] for part in parts]
        if port.time_axis is None or len(arrays) == 1:
            named[port.name] = arrays[-1]
        else:
            named[port.name] = np.concatenate(arrays, port.time_axis if batched else row_time(port))
    return named if len(ports) > 1 else next(iter(named.values()))
