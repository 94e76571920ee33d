"""ONNX's LSTM: gates input, output, forget, cell.

``c = f c + i tanh(g)``, ``h = o tanh(c)``: https://onnx.ai/onnx/operators/onnx__LSTM.html.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeseq.quantization.cells.cell import Cell, Recurrence, Step, added
from edgeseq.quantization.nodes import Nodes
from edgeseq.verification.arrays import Array


def _step(bias: Array, hidden: int, suffix: str) -> Step:
    def step(nodes: Nodes, gates: ir.Value, states: Sequence[ir.Value], recurrence: Recurrence) -> Sequence[ir.Value]:
        state, cell = states
        switches, new = nodes.split(nodes.op("Add", [gates, recurrence(nodes, state)]), [3 * hidden, hidden])
        into, out, forget = nodes.split(nodes.op("Sigmoid", [switches]), [hidden] * 3)
        taken = nodes.op("Mul", [into, nodes.op("Tanh", [new])])
        cell = nodes.op("Add", [nodes.op("Mul", [forget, cell]), taken])
        return [nodes.op("Mul", [out, nodes.op("Tanh", [cell])]), cell]

    return step


LSTM = Cell(4, 2, added, _step)
