"""Many streams of one model that come and go, stepped as one batch."""

from __future__ import annotations

from edgeseq.runtime.pool.pool import Pool

__all__ = ["Pool"]
