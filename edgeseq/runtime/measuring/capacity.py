"""How many streams one core serves: each with one step in every period, the 99th percentile within it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeseq.runtime.loading import load
from edgeseq.runtime.measuring.samples import Raw
from edgeseq.runtime.measuring.series import samples_needed
from edgeseq.runtime.measuring.settings import Settings
from edgeseq.runtime.measuring.stepping import Together, Turns
from edgeseq.runtime.measuring.timing import time_paced, time_steps
from edgeseq.runtime.model import Model

SHARE = 0.99
#: Steps that tell what one costs; ticks of one try, at the least; the most streams that are tried.
_STEPS, _TICKS, _MOST = 200, 50, 16_384
#: Ticks left out before: streams that were just opened touch their memory first.
_WARM = 5
#: The search goes on in such strides until there is a number that keeps the period and one that does not, and ends when
#: they are so close.
_STRIDE, _CLOSE = 1.2, 0.05


def streams_per_core(given: Mapping[str, Any]) -> dict[str, Any]:
    """``streams``: the most that keep p99, from when a step was due to its answer, within the period; 0: not one.

    ``given`` are settings; ``bounded`` where more were not tried.
    """
    settings = Settings.from_dict(given)
    assert settings.period_ns is not None
    model = load(settings.path, threads=settings.threads, allow_unverified=settings.allow_unverified, **settings.place)
    kept, missed = 0, None
    tried: int | None = max(1, min(_MOST, int(0.9 * settings.period_ns / _step_ns(model, settings))))
    while tried is not None:
        if _keeps(model, settings, tried):
            kept = tried
        else:
            missed = tried
        tried = next_try(kept, missed)
    return {"streams": kept, "bounded": missed is None}


def next_try(kept: int, missed: int | None) -> int | None:
    """How many to try where so many kept the period and so many missed it; None where that is answer enough."""
    if missed is None:
        return None if kept >= _MOST else min(_MOST, max(kept + 1, round(kept * _STRIDE)))
    if missed - kept <= max(1, int(kept * _CLOSE)):
        return None
    return (kept + missed) // 2 if kept else int(missed / _STRIDE)


def _step_ns(model: Model, settings: Settings) -> float:
    samples = np.zeros(_STEPS, np.int64)
    time_steps(Turns(model, settings, 1).ready, samples)
    return float(np.median(samples))


def _keeps(model: Model, settings: Settings, streams: int) -> bool:
    """Whether so many do."""
    assert settings.period_ns is not None
    stepped = (Together if settings.pool else Turns)(model, settings, streams)
    together = 1 if settings.pool else streams
    ticks = max(_TICKS, math.ceil(samples_needed(SHARE) / together))
    from_due, from_call = (np.zeros((_WARM + ticks) * together, np.int64) for _ in range(2))
    time_paced(stepped.ready, from_due, from_call, settings.period_ns, together)
    return Raw(from_due[_WARM * together :]).quantile(SHARE) <= settings.period_ns
