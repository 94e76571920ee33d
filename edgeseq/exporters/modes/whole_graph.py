"""The captured graph itself, on whole sequences: what ``Sequence`` runs once and ``Window`` after every hop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from edgeseq.errors import NotStreamable
from edgeseq.exporters.call import Call
from edgeseq.exporters.capture import Captured, Input
from edgeseq.exporters.complex_ops import FORMS
from edgeseq.exporters.complex_pairs import in_real_numbers
from edgeseq.exporters.constants import held, hold
from edgeseq.exporters.framewise import flatten
from edgeseq.exporters.modes.sequence import Sequence
from edgeseq.exporters.modes.window import Window
from edgeseq.exporters.plan import Plan
from edgeseq.exporters.rules.recurrent_layers import Layers, run_stack
from edgeseq.exporters.rules.registry import Registry
from edgeseq.exporters.step import input_behind
from edgeseq.exporters.stepgraph import chunk_multiple

_aten = torch.ops.aten
_RECURRENT = torch.ops.edgeseq.recurrent.default
#: Ops that pick rows of a table, their first argument: where among the others the row numbers stand.
_TABLES: dict[Any, Callable[[Any], Any]] = {
    _aten.embedding.default: lambda args: args[1],
    _aten.index.Tensor: lambda args: args[1][0],
    _aten.index_select.default: lambda args: args[2],
}


class WholeGraph(nn.Module):
    """``forward`` takes frames and conditioning, whole sequences, and returns the outputs in forward's order.

    What depends on weights alone is computed once, here. It is traced for ONNX with a symbolic length. ``least`` and
    ``most`` frames are what the model takes, as far as that is known.
    """

    def __init__(
        self,
        captured: Captured,
        registry: Registry,
        ops: str,
        mode: Window | Sequence,
        least: int = 1,
        most: int | None = None,
    ) -> None:
        super().__init__()
        self.captured = in_real_numbers(captured, FORMS)
        self.registry, self.ops, self.mode = registry, ops, mode
        self.least, self.most = least, most
        self.dropped: tuple[str, ...] = ()
        self.plan = Plan(multiple=chunk_multiple(self.captured))
        self._numbers: dict[str, Any] = {}
        self._live = self._fold()
        self._note_ranges()
        self.eval()

    @property
    def frames(self) -> list[Input]:
        """Inputs with a time axis, in forward's order."""
        return [item for item in self.captured.inputs if item.spec.time_axis is not None]

    @property
    def conditioning(self) -> list[Input]:
        """Inputs without a time axis."""
        return [item for item in self.captured.inputs if item.spec.time_axis is None]

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Frames and conditioning in; every output."""
        given = dict(zip([item.placeholder for item in [*self.frames, *self.conditioning]], tensors, strict=True))
        found: dict[torch.fx.Node, Any] = {}
        for node, constant in self._live.items():
            if constant:
                found[node] = self._numbers[node.name] if node.name in self._numbers else held(self, _name(self, node))
            else:
                found[node] = given[node.name] if node.op == "placeholder" else self._call(node, found)
        results = [found[node] for _, node in self.captured.outputs]
        return tuple(value.clone() if any(value is one for one in tensors) else value for value in results)

    def _call(self, node: torch.fx.Node, found: dict[torch.fx.Node, Any]) -> Any:
        if node.target is not _RECURRENT:
            return _run(node, found)
        x, hx = _values(node.args[:2], found)
        return run_stack(x, hx, self._layers(node, None), bool(node.args[7]))

    def _fold(self) -> dict[torch.fx.Node, bool]:
        """The nodes that are run, in order, and whether each is a constant, which is then held."""
        constants: dict[torch.fx.Node, Any] = {}
        for node in self.captured.graph.nodes:
            if _is_random(node):
                raise self._random(node)
            if node.op == "placeholder" and node.name in self.captured.tensors:
                constants[node] = self.captured.tensors[node.name]
            elif node.op == "call_function" and all(source in constants for source in node.all_input_nodes):
                with torch.no_grad():
                    constants[node] = None if _is_a_guard(node) else _run(node, constants)
        live = {node: node in constants for node in self._needed(constants)}
        for node in live:
            if node in constants and isinstance(constants[node], torch.Tensor):
                hold(self, _name(self, node), constants[node].detach().contiguous())
            elif node in constants:
                self._numbers[node.name] = constants[node]
            elif node.target is _RECURRENT:
                self._layers(node, [constants[weight] for weight in node.args[2]])  # type: ignore[union-attr,index]
        return live

    def _needed(self, constants: dict[torch.fx.Node, Any]) -> Iterator[torch.fx.Node]:
        """Every node that an output depends on, constants without what made them, in the order of the graph."""
        needed, waiting = set(), [node for _, node in self.captured.outputs]
        while waiting:
            node = waiting.pop()
            if node in needed:
                continue
            needed.add(node)
            if node not in constants:
                read = flatten([node.args[0], node.args[1]]) if node.target is _RECURRENT else node.all_input_nodes
                waiting += [source for source in read if isinstance(source, torch.fx.Node)]
        return (node for node in self.captured.graph.nodes if node in needed)

    def _layers(self, node: torch.fx.Node, weights: list[torch.Tensor] | None) -> Layers:
        """The stack of a recurrent node; ``weights`` are given once, to be held in ONNX order."""
        source = _Held(self, node.name, weights is not None)
        mode, has_biases, _, bidirectional = node.args[3:7]
        shapes: Any = [weight.meta["val"] for weight in node.args[2]]  # type: ignore[union-attr]
        return Layers(source, weights or shapes, str(mode), bool(has_biases), 2 if bidirectional else 1)

    def _random(self, node: torch.fx.Node) -> NotStreamable:
        call = Call(self.captured, batch=1, chunk=1, axes={}, device=torch.device("cpu"))
        call.node = node
        return call.refuse_random()

    def _note_ranges(self) -> None:
        """Note how many rows the smallest table has that an input indexes."""
        for node in self.captured.graph.nodes:
            source = input_behind(_TABLES[node.target](node.args)) if node.target in _TABLES else None
            if source is not None and isinstance(rows := node.args[0].meta["val"].shape[0], int):
                self.plan.ranges[source] = min(rows, self.plan.ranges.get(source, rows))


class _Held:
    """Hands a recurrent stack its weights: held when they are first given, looked up afterwards."""

    def __init__(self, graph: WholeGraph, node: str, planning: bool) -> None:
        self.graph, self.node, self.planning = graph, node, planning
        self.asked: Counter[str] = Counter()

    def constant(self, suffix: str, value: torch.Tensor | None) -> torch.Tensor:
        self.asked[suffix] += 1
        name = f"made.{self.node}.{suffix}{self.asked[suffix]}"
        if value is not None:
            hold(self.graph, name, value.detach().contiguous())
        return held(self.graph, name)


def _name(graph: WholeGraph, node: torch.fx.Node) -> str:
    return f"model.{known}" if (known := graph.captured.names.get(node.name)) else f"folded.{node.name}"


def _is_a_guard(node: torch.fx.Node) -> bool:
    return node.meta.get("val") is None and not node.users


def _is_random(node: torch.fx.Node) -> bool:
    """True for ops that draw random numbers; attention does only with dropout, its fifth argument."""
    drawn = torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())
    attention = node.target is _aten.scaled_dot_product_attention.default
    return drawn and not (attention and (len(node.args) < 5 or node.args[4] == 0.0))


def _run(node: torch.fx.Node, found: dict[torch.fx.Node, Any]) -> Any:
    return node.target(*_values(node.args, found), **_values(node.kwargs, found))  # type: ignore[operator]


def _values(tree: Any, found: dict[torch.fx.Node, Any]) -> Any:
    return torch.fx.node.map_arg(tree, lambda source: found[source])
