"""Steps on time: a stream in a process of its own, fed and read through shared memory."""

from __future__ import annotations

from edgeseq.runtime.paced.queues import PacedAnswer
from edgeseq.runtime.paced.report import Paced, Xruns
from edgeseq.runtime.paced.runner import PacedRunner
from edgeseq.runtime.paced.scheduling import Scheduling
from edgeseq.runtime.paced.warming import Dummy, Spin, Touch

__all__ = ["Dummy", "Paced", "PacedAnswer", "PacedRunner", "Scheduling", "Spin", "Touch", "Xruns"]
