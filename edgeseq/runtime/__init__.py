"""Step a streaming ONNX file: numpy arrays in, numpy arrays out.

Nothing but numpy and onnxruntime is ever loaded from here; onnxruntime itself is fetched by the first ``load``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from edgeseq.runtime.loading import load
from edgeseq.runtime.logs import log, switch_on
from edgeseq.runtime.model import Model
from edgeseq.runtime.snapshots import Snapshot
from edgeseq.runtime.stream import Stream

if TYPE_CHECKING:
    from edgeseq.runtime.adopting.adopt import adopt
    from edgeseq.runtime.golden import Replay, replay
    from edgeseq.runtime.measuring.latency import Latency
    from edgeseq.runtime.measuring.measure import measure
    from edgeseq.runtime.paced.runner import PacedRunner

__all__ = [
    "Latency",
    "Model",
    "PacedRunner",
    "Replay",
    "Snapshot",
    "Stream",
    "adopt",
    "load",
    "log",
    "measure",
    "replay",
]

#: What takes a while to import and is seldom needed where a model runs, with its module.
_LATER = {
    "adopt": "adopting",
    "Replay": "golden",
    "replay": "golden",
    "Latency": "measuring",
    "measure": "measuring",
    "PacedRunner": "paced",
}

switch_on()


def __getattr__(name: str) -> Any:
    """A name of ``_LATER``."""
    if name in _LATER:
        return getattr(import_module(f"edgeseq.runtime.{_LATER[name]}"), name)
    raise AttributeError(f"module 'edgeseq.runtime' has no attribute {name!r}")
