"""One turn of a loop in the step: the body's ops as they are, a recurrent stack on the frame by ONNX's own op."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.fx import Interpreter, Node

from edgeseq.exporters.facts import Static
from edgeseq.exporters.loops.loop_op import Body
from edgeseq.exporters.rules.recurrent_layers import Layers, run_stack
from edgeseq.exporters.step import Step

_RECURRENT = torch.ops.edgeseq.recurrent.default


class Turn(Interpreter):
    """Runs the graph of a body. Each recurrent stack has its weights arranged once a call."""

    def __init__(self, step: Step, body: Body) -> None:
        super().__init__(body.graph)
        self.step = step
        self.node: Node | None = None

    def run_node(self, n: Node) -> Any:
        """The value of a node, which is noted: stacks are told apart by it."""
        self.node = n
        return super().run_node(n)

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        """The op as it is, but for a recurrent stack."""
        if target is not _RECURRENT:
            return super().call_function(target, args, kwargs)
        x, hx, weights, mode, has_biases, _, bidirectional, batch_first = args
        directions = 2 if bidirectional else 1
        layers = self.step.once(
            ("stack", self.step.node, self.node), lambda: Layers(self.step, weights, mode, has_biases, directions)
        )
        return run_stack(x, hx, layers, batch_first)


def check_stacks(step: Step, body: Body, constants: Sequence[Any]) -> None:
    """Refuse a stack in the body whose weights are not known at export. ``constants``: the facts of the body's."""
    given = [node for node in body.graph.graph.nodes if node.op == "placeholder"]
    first = len(body.frame_axes) + len(body.names)
    pairs = zip(given[first : first + len(constants)], constants, strict=True)
    known = {node for node, fact in pairs if isinstance(fact, Static) and fact.constant}
    for node in body.graph.graph.find_nodes(op="call_function", target=_RECURRENT):
        if any(weight not in known for weight in node.args[2]):
            raise step.refuse(
                "it runs a recurrent layer whose weights are computed from an input",
                "keep the weights fixed and condition its input",
            )
