"""Signals for adapters, cut into blocks, and what should come out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseq.io.blocks import Blocks, Latency
from edgeseq.runtime import Model
from tests import handmade

Array = npt.NDArray[Any]
Load = Callable[[handmade.Handmade], Model]
RATE = 16000.0


def noise(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def blocks_of(x: Array, block: int) -> list[Array]:
    return [x[begin : begin + block] for begin in range(0, len(x), block)]


def any_blocks(x: Array, most: int) -> list[Array]:
    ends = np.cumsum(np.random.default_rng(1).integers(0, most + 1, 4 * len(x) // most))
    return np.split(x, ends[ends <= len(x)])


def played(adapter: Blocks, blocks: list[Array], minimal: bool = True) -> Array:
    """All that comes out; every block is answered by one of its size, and some leave nothing ready if ``minimal``."""
    answers, least = [], 10**9
    for block in blocks:
        answers.append(adapter.step(block))
        assert len(answers[-1]) == len(block)
        least = min(least, len(adapter._ready))
    assert least == 0 or not minimal, "a shorter lag would have done"
    return np.concatenate([*answers, adapter.flush()])


def delayed(wanted: Array, latency: Latency) -> Array:
    return np.concatenate([np.zeros((latency.samples, *wanted.shape[1:]), np.float32), wanted])
