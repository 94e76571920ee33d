"""Step a streaming ONNX file: numpy arrays in, numpy arrays out.

Nothing but numpy and onnxruntime is ever loaded from here; onnxruntime itself is fetched by the first ``load``.
"""

from __future__ import annotations

from edgeseq.runtime.golden import Replay, replay
from edgeseq.runtime.loading import load
from edgeseq.runtime.logs import log, switch_on
from edgeseq.runtime.measuring import Latency, measure
from edgeseq.runtime.model import Model
from edgeseq.runtime.snapshots import Snapshot
from edgeseq.runtime.stream import Stream

__all__ = ["Latency", "Model", "Replay", "Snapshot", "Stream", "load", "log", "measure", "replay"]

switch_on()
