"""Tables of which a step reads a few rows: kept in groups, as onnxruntime's GatherBlockQuantized reads them."""

from __future__ import annotations

import onnx_ir as ir

from edgeseq.quantization.kernels import Kernel
from edgeseq.quantization.nodes import MICROSOFT, Nodes
from edgeseq.quantization.rounding import group_of, grouped
from edgeseq.verification.arrays import Array


def lookup(nodes: Nodes, table: Array, indices: ir.Value, kernel: Kernel) -> ir.Value:
    """Rows ``indices`` of ``table`` ``[entries, width]``, widened to float32."""
    bits, width = kernel.scheme.bits, table.shape[1]
    stored_rows = grouped(table, bits, group_of(width, kernel.scheme.group or 128))
    entries = stored_rows.packed().reshape(len(table), -1)[:, : -(-width * bits // 8)]
    inputs = [nodes.constant(entries, "table"), indices, nodes.constant(stored_rows.scales, "scales")]
    group = stored_rows.weights.shape[-1]
    return nodes.op(
        "GatherBlockQuantized", inputs, MICROSOFT, gather_axis=0, quantize_axis=1, block_size=group, bits=bits
    )
