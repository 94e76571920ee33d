"""Tables of which a step reads a few rows: kept in groups, as onnxruntime's GatherBlockQuantized reads them."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from edgeseq.quantization.kernels import Kernel, stored_in_groups
from edgeseq.quantization.nodes import MICROSOFT, Nodes
from edgeseq.quantization.rounding import Grouped
from edgeseq.verification.arrays import Array


def lookup(nodes: Nodes, table: Array, indices: ir.Value, kernel: Kernel, tied: str | None) -> ir.Value:
    """Rows ``indices`` of ``table`` ``[entries, width]``, widened to float32.

    ``tied``: the linear layer of the same weights in the same scheme, with which they are stored.
    """
    stored = stored_in_groups(table, f"{tied or nodes.prefix}.product", kernel, filled=tied is not None)
    group = stored.weights.shape[-1]
    if tied is None or table.shape[1] % group:
        entries = nodes.constant(_rows(stored), "table")
        scales = nodes.constant(stored.scales, "scales")
    else:
        owner = Nodes(nodes.model, tied)
        weights = owner.constant(stored.packed(), "product.weights")
        shape = nodes.constant(np.array(_rows(stored).shape, np.int64), "table.shape")
        entries, scales = nodes.op("Reshape", [weights, shape]), owner.constant(stored.scales, "product.scales")
    sizes = {"quantize_axis": 1, "block_size": group, "bits": stored.bits}
    return nodes.op("GatherBlockQuantized", [entries, indices, scales], MICROSOFT, gather_axis=0, **sizes)


def _rows(stored: Grouped) -> Array:
    """The packed rows without what fills the last group."""
    return stored.packed().reshape(len(stored.weights), -1)[:, : -(-stored.inputs * stored.bits // 8)]
