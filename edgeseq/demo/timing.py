"""Every step of many passes, timed one by one, the models in turn."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter_ns
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseq.demo.data import CHARACTERS, Tokens
from edgeseq.runtime import Stream
from edgeseq.runtime.measuring.series import nearest_rank, samples_needed

QUANTILES = {"p10_ns": 0.1, "p50_ns": 0.5, "p90_ns": 0.9}
#: The least step whose neighbourhood leaves out the first one, which does more than a step in the middle of a stream.
FIRST_POINT = 3
#: Points per decade of the curve.
DENSITY = 24

Samples = npt.NDArray[np.int64]


def characters(count: int, seed: int) -> Tokens:
    """Random ones: which character a step reads makes no difference to its time."""
    return np.random.default_rng(seed).integers(0, len(CHARACTERS), count)


def fill(stream: Stream, tokens: Tokens, positions: Sequence[int]) -> dict[str, int]:
    """Bytes of state at each of ``positions``, along a stream whose caches grow as they must."""
    stream.reset()
    sizes = {}
    for step, frame in enumerate(frames(tokens), start=1):
        stream.step(frame)
        if step in positions:
            sizes[str(step)] = stream.state_bytes
    return sizes


def passes(streams: Mapping[str, Stream], tokens: Tokens, count: int) -> dict[str, Samples]:
    """``[count, len(tokens)]`` nanoseconds per stream: ``count`` times from the start through all tokens, by turns.

    Who goes first changes from pass to pass. Caches keep the room they grew to before, so that no step waits for more.
    """
    given = frames(tokens)
    rows: dict[str, list[list[int]]] = {name: [] for name in streams}
    for number in range(count):
        for name in list(streams) if number % 2 else reversed(list(streams)):
            streams[name].reset()
            rows[name].append(timed(streams[name].step, given))
    return {name: np.array(values, dtype=np.int64) for name, values in rows.items()}


def frames(tokens: Tokens) -> list[Tokens]:
    """One array ``[batch, time]`` per token."""
    return [tokens[None, index : index + 1].copy() for index in range(len(tokens))]


def timed(step: Callable[[Any], object], given: Sequence[Tokens]) -> list[int]:
    """Nanoseconds of each step, from the call to its answer."""
    samples = []
    for frame in given:
        begin = perf_counter_ns()
        step(frame)
        samples.append(perf_counter_ns() - begin)
    return samples


def summary(samples: Samples) -> dict[str, int | None]:
    """Quantiles of all samples, and how many there are.

    A quantile needs ten samples beyond it and is None with fewer.
    """
    values = samples.ravel().tolist()
    found = {
        name: nearest_rank(values, share) if len(values) >= samples_needed(max(share, 1 - share)) else None
        for name, share in QUANTILES.items()
    }
    return {**found, "samples": len(values)}


def around(samples: Samples, step: int) -> dict[str, int | None]:
    """Quantiles over all passes of the steps within a tenth of ``step``, its two neighbours at least."""
    reach = max(1, step // 10)
    return {"step": step, **summary(samples[:, max(0, step - 1 - reach) : step + reach])}


def curve(samples: Samples, last: int) -> list[dict[str, int | None]]:
    """Quantiles at steps that lie evenly on a logarithmic scale, up to ``last``."""
    count = round(math.log10(last / FIRST_POINT) * DENSITY)
    steps = sorted({round(float(step)) for step in np.geomspace(FIRST_POINT, last, count)})
    return [around(samples, step) for step in steps]


def drift(samples: Samples) -> float:
    """The median pass of the first half against that of the second, the longer by the shorter: 1 on a calm machine."""
    middle = len(samples) // 2
    halves = [statistics.median(half.sum(axis=1).tolist()) for half in (samples[:middle], samples[middle:])]
    return round(float(max(halves) / min(halves)), 3)
