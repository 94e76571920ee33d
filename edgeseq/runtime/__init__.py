"""Step a streaming ONNX file: numpy arrays in, numpy arrays out.

Nothing but numpy and onnxruntime is ever loaded from here; onnxruntime itself is fetched by the first ``load``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeseq.runtime.golden import Replay, replay
from edgeseq.runtime.loading import load
from edgeseq.runtime.logs import log, switch_on
from edgeseq.runtime.measuring import Latency, measure
from edgeseq.runtime.model import Model
from edgeseq.runtime.snapshots import Snapshot
from edgeseq.runtime.stream import Stream

if TYPE_CHECKING:
    from edgeseq.runtime.adopting import adopt

__all__ = ["Latency", "Model", "Replay", "Snapshot", "Stream", "adopt", "load", "log", "measure", "replay"]

switch_on()


def __getattr__(name: str) -> Any:
    """``adopt``, which takes a while to import and is seldom needed where a model runs."""
    if name == "adopt":
        from edgeseq.runtime.adopting import adopt

        return adopt
    raise AttributeError(f"module 'edgeseq.runtime' has no attribute {name!r}")
