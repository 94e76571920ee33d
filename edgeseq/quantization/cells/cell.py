"""What a recurrent cell is to those that unroll it: gates from the input, gates from the state, a step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import onnx_ir as ir

from edgeseq.quantization.nodes import Nodes
from edgeseq.verification.arrays import Array

#: The state times the recurrent weights, ``[batch, gates * hidden]``.
Recurrence: TypeAlias = Callable[[Nodes, ir.Value], ir.Value]
#: The next states of a step, the output first, from the input's gates and the states.
Step: TypeAlias = Callable[[Nodes, ir.Value, Sequence[ir.Value], Recurrence], Sequence[ir.Value]]


@dataclass(frozen=True)
class Cell:
    """A cell of ONNX with ``gates`` gates and ``states`` states.

    ``input_bias`` is what is added to the gates from the input, ``[gates * hidden]``, from ONNX's two biases in one;
    ``step`` makes a step with what is left of them; the names of its constants end in a suffix.
    """

    gates: int
    states: int
    input_bias: Callable[[Array], Array]
    step: Callable[[Array, int, str], Step]


def added(bias: Array) -> Array:
    """Both biases in one: the input's and the state's."""
    first, second = bias.reshape(2, -1)
    return np.asarray(first + second)
