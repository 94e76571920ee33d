"""What is stepped: one stream, several in turn, or a pool; with inputs that change, reset before it is full."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np

from edgeseq.runtime.devices import Array
from edgeseq.runtime.measuring.randoms import random_conditioning, random_frames
from edgeseq.runtime.measuring.settings import Settings
from edgeseq.runtime.measuring.timing import wait
from edgeseq.runtime.model import Model
from edgeseq.runtime.stream import Stream

#: Different inputs that take turns.
INPUTS = 64


class Stepper:
    """A stream and its inputs, which take turns."""

    def __init__(self, model: Model, stream: Stream, settings: Settings, given: Sequence[Any]) -> None:
        self._stream, self._frames, self._limit = stream, settings.frames, model.contract.max_context
        self._inputs = cycle(given)
        self._step = delayed(stream.step, settings.delay_ns)

    def ready(self) -> tuple[Callable[[Any], object], Any]:
        """The next step and what it is given."""
        if self._limit is not None and self._stream.position + self._frames > self._limit:
            self._stream.reset()
        return self._step, next(self._inputs)


class Turns:
    """Independent streams of one model that take turns."""

    def __init__(self, model: Model, settings: Settings, count: int, variety: int = INPUTS) -> None:
        random = np.random.default_rng(settings.seed)
        opened = (
            model.stream(settings.batch, random_conditioning(model.contract, settings.batch, random))
            for _ in range(count)
        )
        given = inputs(model, settings.batch, settings.frames, settings.seed, variety)
        self._steppers = cycle([Stepper(model, stream, settings, given) for stream in opened])

    def ready(self) -> tuple[Callable[[Any], object], Any]:
        """The next stream's step and what it is given."""
        return next(self._steppers).ready()


class Together:
    """Streams of one model in a pool, all stepped by one call."""

    def __init__(self, model: Model, settings: Settings, count: int, variety: int = INPUTS) -> None:
        random = np.random.default_rng(settings.seed)
        contract = model.contract
        self._pool = model.pool(capacity=count)
        self._slots = np.array(
            [self._pool.open(_one_row(random_conditioning(contract, 1, random))) for _ in range(count)], np.int32
        )
        self._inputs = cycle(inputs(model, count, settings.frames, settings.seed, variety))
        self._frames, self._limit, self._fed = settings.frames, contract.max_context, 0
        self._step = delayed(self._stepped, settings.delay_ns)

    def ready(self) -> tuple[Callable[[Any], object], Any]:
        """The next call and what it is given."""
        if self._limit is not None and self._fed + self._frames > self._limit:
            self._pool.reset(self._slots)
            self._fed = 0
        self._fed += self._frames
        return self._step, next(self._inputs)

    def _stepped(self, frames: Any) -> object:
        return self._pool.step(self._slots, frames)


def inputs(model: Model, batch: int, frames: int, seed: int, variety: int = INPUTS) -> list[Any]:
    """Random frames for so many steps: an array where there is one input, arrays by name where there are several."""
    random = np.random.default_rng(seed)
    contract = model.contract
    given = [random_frames(contract, batch, frames, random) for _ in range(variety)]
    single = len(contract.with_role("frame")) == 1
    return [next(iter(arrays.values())) if single else arrays for arrays in given]


def delayed(step: Callable[[Any], object], delay_ns: int) -> Callable[[Any], object]:
    """The step, with so much time spent inside it."""
    if not delay_ns:
        return step

    def longer(given: Any) -> object:
        answer = step(given)
        wait(delay_ns)
        return answer

    return longer


def _one_row(conditioning: Mapping[str, Array]) -> Mapping[str, Array] | None:
    return conditioning or None
