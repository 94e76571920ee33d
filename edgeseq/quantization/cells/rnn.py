"""ONNX's RNN: one gate behind tanh or relu (https://onnx.ai/onnx/operators/onnx__RNN.html)."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from edgeseq.quantization.cells.cell import Cell, Recurrence, Step, added
from edgeseq.quantization.nodes import Nodes
from edgeseq.verification.arrays import Array


def rnn(activation: str) -> Cell:
    """The cell with this activation, as ONNX calls it."""

    def with_sizes(bias: Array, hidden: int, suffix: str) -> Step:
        def step(
            nodes: Nodes, gates: ir.Value, states: Sequence[ir.Value], recurrence: Recurrence
        ) -> Sequence[ir.Value]:
            return [nodes.op(activation, [nodes.op("Add", [gates, recurrence(nodes, states[0])])])]

        return step

    return Cell(1, 1, added, with_sizes)
