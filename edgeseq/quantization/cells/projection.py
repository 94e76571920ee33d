"""An LSTM with a projection, as the float file holds it: ONNX's LSTM has none.

The file carries the projected state. Before the LSTM a product lifts it to a full one that is projected to the same;
the LSTM's recurrent weights have the projection in them, and a product behind it projects its outputs and its state.
Here the three are one cell again, whose loop carries the projected state.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from edgeseq.quantization.nodes import array_of
from edgeseq.verification.arrays import Array

#: How near to one the product of lift and projection is.
_NEAR = 1e-3


@dataclass(frozen=True)
class Projection:
    """``matrix`` ``[projected, hidden]``; ``state`` is the projected state, ``lift`` ``[hidden, projected]`` widens it.

    ``nodes`` are the products around the recurrent node; ``results`` are what those behind it give, by the recurrent
    node's result.
    """

    matrix: Array
    lift: Array
    state: ir.Value
    nodes: tuple[ir.Node, ...]
    results: tuple[tuple[ir.Value, ir.Value], ...]


def projection_of(node: ir.Node) -> Projection | None:
    """The projection around a recurrent node; None where there is none."""
    lifting = node.inputs[5].producer() if len(node.inputs) > 5 and node.inputs[5] is not None else None
    lift = _matrix(lifting)
    if lifting is None or lift is None or lifting.inputs[0] is None:
        return None
    users = [user for result in node.outputs[:2] for user, _ in result.uses()]
    matrices = [_matrix(user) for user in users]
    first = matrices[0] if matrices else None
    if first is None or not all(matrix is not None and np.array_equal(matrix, first) for matrix in matrices):
        return None
    unit = np.eye(len(lift), dtype=np.float32)
    if lift.shape != first.T.shape or np.abs(lift @ first - unit).max() > _NEAR:
        return None
    results = tuple((value, user.outputs[0]) for value in node.outputs[:2] for user, _ in value.uses())
    return Projection(first.T, lift.T, lifting.inputs[0], (lifting, *users), results)


def _matrix(node: ir.Node | None) -> Array | None:
    """What a MatMul multiplies by, ``[inputs, outputs]``; None for another node."""
    if node is None or node.op_type != "MatMul":
        return None
    array = array_of(node.inputs[1])
    return None if array is None or array.size == 0 else array.reshape(array.shape[-2:])
