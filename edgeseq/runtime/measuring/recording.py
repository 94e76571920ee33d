"""Back-to-back samples as they come: warm-up set apart, and beyond ten million steps a histogram in place of each."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns

import numpy as np

from edgeseq.runtime.measuring.samples import KEPT, Array, Binned, Raw, Samples, merge_bins
from edgeseq.runtime.measuring.settings import Settings
from edgeseq.runtime.measuring.warmup import MOST, find_warmup

#: Steps of one block: between two of them the samples are put away.
BLOCK = 1_000_000
#: The most steps of a run that is bound by time.
FOREVER = 10**12


def paced_steps(settings: Settings) -> int:
    """Paced steps of a run, warm-up apart: as many periods as there are steps, with several streams whole ones."""
    assert settings.period_ns is not None
    streams = 1 if settings.pool else settings.streams
    if settings.duration_ns is not None:
        return max(1, settings.duration_ns // settings.period_ns) * streams
    return -(-settings.steps // streams) * streams


class Recording:
    """The samples of ``steps`` steps, or of as many as ``duration_ns`` has, behind a warm-up.

    ``warmup`` None: what the first steps show to be, at most ``MOST`` and a fourth of ``steps``, of which so many more
    are made.
    """

    def __init__(self, steps: int, warmup: int | None, duration_ns: int | None = None) -> None:
        self._steps, self._warmup, self._duration_ns = steps, warmup, duration_ns
        self._room = warmup if warmup is not None else min(MOST, max(20, steps // 4))
        self._blocks: list[Array] = []
        self._bins: list[tuple[Array, Array]] = []
        self._most = 0
        self._left_out: int | None = None
        self.made = 0

    def fill(self, time_block: Callable[[Array, int | None], int]) -> None:
        """Have blocks of steps timed, each by one call with the array to fill and when to stop."""
        until_ns = None if self._duration_ns is None else perf_counter_ns() + self._duration_ns
        wanted = self._room + self._steps if until_ns is None else FOREVER
        while self.made < wanted and (until_ns is None or not self.made or perf_counter_ns() < until_ns):
            block = np.zeros(min(BLOCK, wanted - self.made), np.int64)
            count = time_block(block, until_ns)
            self.made += count
            self._blocks.append(block[:count])
            if self.made > KEPT:
                self._put_away()

    def found(self) -> tuple[int, Samples]:
        """How many steps were warm-up, and the samples behind them."""
        if self._bins:
            self._put_away()
            return self._left_out or 0, Binned(*merge_bins(self._bins), self._most)
        values = np.concatenate(self._blocks)
        left_out = self._leave_out(values)
        kept = values[left_out:]
        return left_out, Raw(kept if self._duration_ns is not None else kept[: self._steps])

    def _leave_out(self, values: Array) -> int:
        room = min(self._room, len(values) // 2)
        return room if self._warmup is not None else find_warmup(values, room)

    def _put_away(self) -> None:
        if not self._blocks:
            return
        values = np.concatenate(self._blocks)
        if self._left_out is None:
            self._left_out = self._leave_out(values)
            values = values[self._left_out :]
        self._blocks = []
        self._bins.append(Raw(values).bins())
        self._most = max(self._most, int(values.max()))
