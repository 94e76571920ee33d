"""A recurrent node of ONNX read into its directions and weights, and written again as products and a loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from edgeseq.quantization.cells.cell import Cell, Recurrence, Step
from edgeseq.quantization.cells.gru import GRU
from edgeseq.quantization.cells.lstm import LSTM
from edgeseq.quantization.cells.projection import Projection, projection_of
from edgeseq.quantization.cells.rnn import rnn
from edgeseq.quantization.kernels import Kernel
from edgeseq.quantization.nodes import Nodes, array_of
from edgeseq.verification.arrays import Array

#: Places of a recurrent node's inputs: X, W, R, B, sequence_lens, initial_h, initial_c, P.
_LENGTHS, _HIDDEN, _CELL, _PEEPHOLES = 4, 5, 6, 7
_DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "GRU": ("Sigmoid", "Tanh"),
    "LSTM": ("Sigmoid", "Tanh", "Tanh"),
    "RNN": ("Tanh",),
}
#: The activations that cells here have, by the gate's place: in another order they are another cell.
_KNOWN: Mapping[str, set[tuple[str, ...]]] = {
    **{kind: {usual} for kind, usual in _DEFAULTS.items()},
    "RNN": {("Tanh",), ("Relu",)},
}


@dataclass(frozen=True)
class Direction:
    """One direction: ``inputs`` ``[gates * hidden, features]``, ``states`` ``[gates * hidden, hidden]``, ``bias``."""

    inputs: Array
    states: Array
    bias: Array
    backward: bool


@dataclass(frozen=True)
class Layer:
    """A recurrent layer: its cell and its directions, and the projection of its state where it has one."""

    node: ir.Node
    cell: Cell
    hidden: int
    directions: tuple[Direction, ...]
    projection: Projection | None = None

    @property
    def initial(self) -> tuple[ir.Value, ...]:
        """The values that its states start from."""
        given = tuple(value for value in self.node.inputs[_HIDDEN : _HIDDEN + self.cell.states] if value is not None)
        return given if self.projection is None else (self.projection.state, *given[1:])

    def factors(self) -> dict[str, ir.Value]:
        """What its matrices are multiplied by, by their name; of a state, its value before the first frame."""
        found = {}
        for number in range(len(self.directions)):
            suffix = f"{number}" if number else ""
            found[f"input{suffix}"], found[f"state{suffix}"] = _given(self.node), self.initial[0]
        return found if self.projection is None else {**found, "projection": self.node.outputs[0]}

    def inputs(self, factor: str) -> int:
        """How many numbers wide a factor is."""
        if factor == "projection":
            return self.hidden
        direction = self.directions[0]
        return int((direction.states if factor.startswith("state") else direction.inputs).shape[1])

    def write(self, nodes: Nodes, kernel: Kernel, one_frame: bool) -> list[tuple[ir.Value, ir.Value]]:
        """The layer in other nodes; what takes the place of each of its results."""
        starts = [self._parts(nodes, value) for value in self.initial]
        runs = [
            self._direction(nodes, number, [start[number] for start in starts], kernel, one_frame)
            for number in range(len(self.directions))
        ]
        joined = [_joined(nodes, [run[place] for run in runs], 1 if place == 0 else 0) for place in range(len(runs[0]))]
        pairs = list(zip(self.node.outputs, joined, strict=False))
        if self.projection is not None:
            new = dict(pairs)
            pairs = [(old, new[value]) for value, old in self.projection.results] + pairs[2:]
        return [(old, new) for old, new in pairs if _used(old)]

    def _projected(self, step: Step, kernel: Kernel) -> Step:
        """A step whose output, the first state too, is projected."""
        if self.projection is None:
            return step
        matrix = self.projection.matrix

        def projected(nodes: Nodes, gates: ir.Value, states: Sequence[ir.Value], by: Recurrence) -> Sequence[ir.Value]:
            output, *others = step(nodes, gates, states, by)
            return [kernel.product(nodes, output, matrix, "projection"), *others]

        return projected

    def _parts(self, nodes: Nodes, value: ir.Value) -> Sequence[ir.Value]:
        if len(self.directions) == 1:
            return [value]
        return nodes.several("Split", [value], len(self.directions), axis=0, num_outputs=len(self.directions))

    def _direction(
        self, nodes: Nodes, number: int, states: Sequence[ir.Value], kernel: Kernel, one_frame: bool
    ) -> list[ir.Value]:
        """Outputs ``[time, 1, batch, hidden]`` and last states ``[1, batch, hidden]`` of one direction."""
        direction, suffix = self.directions[number], f"{number}" if number else ""
        gates = kernel.product(nodes, _given(self.node), direction.inputs, f"input{suffix}")
        bias = nodes.constant(self.cell.input_bias(direction.bias).astype(np.float32), f"bias{suffix}")
        gates = nodes.op("Add", [gates, bias])
        step = self._projected(self.cell.step(direction.bias, self.hidden, suffix), kernel)

        def recurrence(inside: Nodes, state: ir.Value) -> ir.Value:
            return kernel.product(inside, state, direction.states, f"state{suffix}")

        if one_frame:
            last = list(step(nodes, gates, states, recurrence))
            return [nodes.op("Unsqueeze", [last[0], nodes.axes(1)]), *last]
        inside = Nodes(nodes.model, nodes.prefix, f"loop{suffix}")
        carried = [ir.Value(name=f"{nodes.prefix}/state{suffix}.{place}") for place in range(self.cell.states)]
        frame = ir.Value(name=f"{nodes.prefix}/frame{suffix}")
        following = list(step(inside, frame, carried, recurrence))
        output = inside.op("Identity", [following[0]])
        body = ir.Graph([*carried, frame], [*following, output], nodes=inside.made, name=f"{nodes.prefix}{suffix}")
        way = [int(direction.backward)]
        ways = {"scan_input_directions": way, "scan_output_directions": way}
        results = nodes.several("Scan", [*states, gates], len(states) + 1, "", body=body, num_scan_inputs=1, **ways)
        return [results[-1], *results[:-1]]


def layer_of(node: ir.Node) -> Layer | str:
    """The layer that a GRU, LSTM or RNN node is, or why it stays as it is."""
    arrays = [array_of(value) for value in node.inputs[1:4]]
    if any(array is None for array in arrays[:2]):
        return "its weights are computed in the graph"
    inputs, states = arrays[0], arrays[1]
    assert inputs is not None
    assert states is not None
    why = _unusual(node)
    if why is not None:
        return why
    cell = _cell(node)
    directions, _, hidden = states.shape
    bias = arrays[2] if len(arrays) > 2 else None
    if bias is None:
        if len(node.inputs) > 3 and node.inputs[3] is not None:
            return "its bias is computed in the graph"
        bias = np.zeros((directions, 2 * cell.gates * hidden), np.float32)
    backward = _text(node, "direction", "forward") == "reverse"
    found = tuple(
        Direction(inputs[number], states[number], bias[number], backward or number == 1) for number in range(directions)
    )
    projection = projection_of(node) if directions == 1 else None
    if projection is not None:
        found = (replace(found[0], states=found[0].states @ projection.lift),)
    layer = Layer(node, cell, hidden, found, projection)
    return layer if len(layer.initial) == cell.states else "it begins with a state of its own making"


def _unusual(node: ir.Node) -> str | None:
    """What sets a node apart from what torch makes, in words."""
    given = {place for place, value in enumerate(node.inputs) if value is not None}
    if _LENGTHS in given or _PEEPHOLES in given:
        return "it takes sequence lengths or peepholes"
    if node.attributes.get_int("layout", 0) or node.attributes.get_int("input_forget", 0) or "clip" in node.attributes:
        return "it has a layout, a coupled gate or a clip of its own"
    if node.op_type == "GRU" and not node.attributes.get_int("linear_before_reset", 0):
        return "its reset lies before the product"
    directions = _by_direction(node)
    if not directions <= _KNOWN[node.op_type]:
        return "it has activations of its own"
    return None if len(directions) == 1 else "its directions have different activations"


def _by_direction(node: ir.Node) -> set[tuple[str, ...]]:
    """The activations of every direction, in the order of its gates."""
    found, gates = tuple(_activations(node)), len(_DEFAULTS[node.op_type])
    return {found[first : first + gates] for first in range(0, len(found), gates)}


def _cell(node: ir.Node) -> Cell:
    if node.op_type == "GRU":
        return GRU
    return LSTM if node.op_type == "LSTM" else rnn(_activations(node)[0])


def _activations(node: ir.Node) -> Sequence[str]:
    return node.attributes.get_strings("activations", _DEFAULTS[node.op_type]) or _DEFAULTS[node.op_type]


def _text(node: ir.Node, name: str, default: str) -> str:
    return str(node.attributes.get_string(name, default))


def _given(node: ir.Node) -> ir.Value:
    value = node.inputs[0]
    assert value is not None
    return value


def _joined(nodes: Nodes, values: Sequence[ir.Value], axis: int) -> ir.Value:
    return values[0] if len(values) == 1 else nodes.op("Concat", values, axis=axis)


def _used(value: ir.Value) -> bool:
    return bool(value.uses()) or value.is_graph_output()
