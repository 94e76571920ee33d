"""ONNX's GRU with ``linear_before_reset``: gates update, reset, hidden.

``h = n + z (h - n)`` with ``n = tanh(x_n + r (R_n h + b))``: https://onnx.ai/onnx/operators/onnx__GRU.html.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from edgeseq.quantization.cells.cell import Cell, Recurrence, Step
from edgeseq.quantization.nodes import Nodes
from edgeseq.verification.arrays import Array


def _input_bias(bias: Array) -> Array:
    """All of the input's bias, and the state's but for the hidden gate, where it lies behind the reset."""
    inputs, state = bias.reshape(2, 3, -1)
    return np.concatenate([inputs[:2] + state[:2], inputs[2:]]).reshape(-1)


def _step(bias: Array, hidden: int, suffix: str) -> Step:
    def step(nodes: Nodes, gates: ir.Value, states: Sequence[ir.Value], recurrence: Recurrence) -> Sequence[ir.Value]:
        (state,) = states
        given = nodes.split(gates, [2 * hidden, hidden])
        carried = nodes.split(recurrence(nodes, state), [2 * hidden, hidden])
        switches = nodes.op("Sigmoid", [nodes.op("Add", [given[0], carried[0]])])
        update, reset = nodes.split(switches, [hidden, hidden])
        inside = nodes.op("Add", [carried[1], nodes.constant(bias.reshape(6, hidden)[5], f"hidden_bias{suffix}")])
        new = nodes.op("Tanh", [nodes.op("Add", [given[1], nodes.op("Mul", [reset, inside])])])
        kept = nodes.op("Mul", [update, nodes.op("Sub", [state, new])])
        return [nodes.op("Add", [new, kept])]

    return step


GRU = Cell(3, 1, _input_bias, _step)
