"""How long one step takes, at the pace it will really be called, in fresh processes."""

from __future__ import annotations

from edgeseq.runtime.measuring.deadline import Deadline
from edgeseq.runtime.measuring.latency import Latency
from edgeseq.runtime.measuring.measure import measure
from edgeseq.runtime.measuring.series import Quantile, Series

__all__ = ["Deadline", "Latency", "Quantile", "Series", "measure"]
