"""How a model is made to stream: exactly, or, where the user asks for it, approximately.

Each mode is a frozen description. What it does stands elsewhere: ``Exact`` and ``Lookahead`` are streamed by rules,
``Window`` and ``Sequence`` run the captured graph as a whole (``whole_graph``).
``definition`` says what each computes, in terms of the module alone.
"""

from __future__ import annotations

from edgeseq.exporters.modes.exact import Exact
from edgeseq.exporters.modes.lookahead import Lookahead
from edgeseq.exporters.modes.sequence import Sequence
from edgeseq.exporters.modes.window import Window

Mode = Exact | Window | Lookahead | Sequence
MODES: dict[str, type[Mode]] = {mode.name: mode for mode in (Exact, Window, Lookahead, Sequence)}
EXACT = Exact()

__all__ = ["EXACT", "MODES", "Exact", "Lookahead", "Mode", "Sequence", "Window"]
