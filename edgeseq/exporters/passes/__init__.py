"""Passes over the lowered graph. Each keeps what the graph computes; each says what it needs and what it leaves."""

from __future__ import annotations

import onnx_ir as ir

from edgeseq.exporters.passes.idioms import fold_idioms
from edgeseq.exporters.passes.layouts import fold_layouts
from edgeseq.exporters.passes.names import name_weights
from edgeseq.exporters.passes.notes import drop_notes
from edgeseq.exporters.passes.weights import share_weights

__all__ = ["drop_notes", "fewer_nodes", "name_weights", "share_weights"]


def fewer_nodes(model: ir.Model) -> None:
    """Run the passes that leave the same computed by fewer nodes. Needs symbolic shapes on the values."""
    fold_layouts(model)
    fold_idioms(model)
