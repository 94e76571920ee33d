"""Samples to overlapping frames, and overlapping frames added up to samples."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Cutter:
    """Frames of ``size`` samples every ``hop``: frame j ends where hop j does, zeros stand before the first sample.

    size 4, hop 2    0 0|a b c d e f        frames 0 0 a b, a b c d, c d e f
    """

    def __init__(self, size: int, hop: int, channels: int) -> None:
        self._size, self._hop = size, hop
        self._heard: Array = np.zeros((size - hop, channels), np.float32)

    def cut(self, samples: Array) -> Array:
        """Frames ``[channels, n, size]`` that end in the next ``n`` hops, ``samples[n * hop, channels]``; a view."""
        heard = np.concatenate([self._heard, samples])
        return np.lib.stride_tricks.sliding_window_view(heard, self._size, axis=0)[:: self._hop].transpose(1, 0, 2)

    def keep(self, samples: Array) -> None:
        """Go on behind ``samples``, whole hops."""
        heard = np.concatenate([self._heard, samples])
        self._heard = heard[len(heard) - len(self._heard) :]


class OverlapAdd:
    """Sums of frames of ``size`` samples every ``hop``, given out when no later frame adds to them.

    The first ``size - hop`` of them lie before the first sample and are dropped.
    """

    def __init__(self, size: int, hop: int, channels: int) -> None:
        self._hop = hop
        self._sum: Array = np.zeros((channels, size), np.float32)
        self._early = size - hop

    def add(self, frames: Array) -> Array:
        """The samples ``[m, channels]`` that are complete after ``frames[channels, n, size]``."""
        channels, count, _ = frames.shape
        done = np.empty((channels, count * self._hop), np.float32)
        for index in range(count):
            self._sum += frames[:, index]
            done[:, index * self._hop : (index + 1) * self._hop] = self._sum[:, : self._hop]
            self._sum = np.concatenate([self._sum[:, self._hop :], np.zeros((channels, self._hop), np.float32)], axis=1)
        early = min(self._early, done.shape[1])
        self._early -= early
        return done[:, early:].T
