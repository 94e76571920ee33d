"""Steps around one position of a stream, timed one by one."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from time import perf_counter_ns
from typing import Any

import numpy as np

from edgeseq.runtime.budget import grows
from edgeseq.runtime.measuring.randoms import random_conditioning, random_frames
from edgeseq.runtime.model import Model
from edgeseq.runtime.stream import Stream

#: Untimed steps before the timed ones, and steps after which a stream goes back to where it began.
WARMUP = 30
AROUND = 64
_INPUTS = 16


class Steps:
    """``steps`` steps of ``frames`` base frames with random inputs, from ``position`` on, for one file."""

    def __init__(self, model: Model, given: Mapping[str, Any]) -> None:
        contract, random = model.contract, np.random.default_rng(0)
        self._batch, self._steps = given["batch"], given["steps"]
        self._conditioning = random_conditioning(contract, self._batch, random)
        self._inputs = [random_frames(contract, self._batch, given["frames"], random) for _ in range(_INPUTS)]
        room = given["position"] + AROUND * given["frames"]
        limit = contract.max_context or room
        self._around = min(AROUND, (limit - given["position"]) // given["frames"])
        self._room = min(room, limit) if any(map(grows, contract.states)) else None
        stream = self._stream(model)
        if given["position"]:
            stream.step(random_frames(contract, self._batch, given["position"], random))
        self._begin = stream.snapshot()

    def median_us(self, model: Model) -> float:
        """The median step of a stream of this model, which may be another session over the same file."""
        stream, samples = self._stream(model), []
        for index in range(WARMUP + self._steps):
            if index % self._around == 0:
                stream.restore(self._begin)
            frames = self._inputs[index % _INPUTS]
            begin = perf_counter_ns()
            stream.step(frames)
            samples.append(perf_counter_ns() - begin)
        return median(samples[WARMUP:]) / 1000

    def _stream(self, model: Model) -> Stream:
        return model.stream(self._batch, self._conditioning, max_context=self._room)
