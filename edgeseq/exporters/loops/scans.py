"""``torch``'s ``scan`` over frames is a loop over time: its combine function is the body, its carry the states."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch.fx import Graph, GraphModule, Node

from edgeseq.exporters.capture import BODY, Captured
from edgeseq.exporters.emitter import Emitter, rewritten, with_own_graph
from edgeseq.exporters.loops.loop_op import Body, keep_body
from edgeseq.exporters.loops.naming import scanned_names

aten = torch.ops.aten
_SCAN = torch.ops.higher_order.scan


def with_loops(captured: Captured) -> Captured:
    """The captured model with one ``edgeseq::loop`` in place of every ``scan`` whose sequences have frames."""
    if not any(_is_over_frames(captured, node) for node in captured.graph.nodes):
        return captured
    captured = with_own_graph(captured)
    replaced: dict[Node, Node] = {}
    for node in list(captured.graph.nodes):
        if _is_over_frames(captured, node):
            _Scan(captured, node).replace(replaced)
    return rewritten(captured, replaced)


def _is_over_frames(captured: Captured, node: Node) -> bool:
    if node.target is not _SCAN:
        return False
    emit = Emitter(captured, node, {})
    sequences: Any = node.args[2]
    return any(emit.along_time(size) for xs in sequences for size in xs.meta["val"].shape)


class _Scan:
    """One call ``scan(combine, initials, sequences, others)``, which gives ``[*last carried, *stored]``."""

    def __init__(self, captured: Captured, node: Node) -> None:
        self.node, self.emit = node, Emitter(captured, node, {})
        combine, initials, sequences, others = (_anything(item) for item in node.args)
        if any(xs.target is aten.flip.default and xs.args[1] == [0] for xs in sequences):
            raise self.emit.refuse(
                "it scans from the end of time to its beginning, as reverse=True says", "scan forwards"
            )
        self.combine: GraphModule = combine.meta[BODY]
        self.initials: list[Node] = list(initials)
        self.frames = [_unmoved(xs) for xs in sequences]
        self.others: list[Any] = list(others)
        self.results = sorted((user for user in node.users if user.target is operator.getitem), key=_index)

    def replace(self, replaced: dict[Node, Node]) -> None:
        """Put the loop in place of the call and of what takes its results apart; note which nodes stand for others."""
        loop = self.emit(
            torch.ops.edgeseq.loop.default,
            [source for source, _ in self.frames],
            self.initials,
            [other for other in self.others if self._is_tensor(other)],
            [other for other in self.others if not self._is_tensor(other)],
            keep_body(self._body()),
        )
        for place, result in enumerate(self.results):
            made = self.emit(operator.getitem, loop, place)
            if _index(result) < len(self.initials):
                made = self.emit(aten.select.int, made, 0, -1)
            replaced[result] = made
            result.replace_all_uses_with(made)

    def _is_tensor(self, other: Any) -> bool:
        return isinstance(other, Node) and isinstance(other.meta["val"], torch.Tensor)

    def _body(self) -> Body:
        """The combine function with its operands and results in the order of a body's."""
        graph = Graph()
        known: dict[Node, Node] = {}
        carries, sequences = len(self.initials), len(self.frames)
        given = [node for node in self.combine.graph.nodes if node.op == "placeholder"]
        tensors = [self._is_tensor(other) for other in self.others]
        kinds = ["carried"] * carries + ["frame"] * sequences + ["constant" if one else "size" for one in tensors]
        for kind in ("frame", "carried", "constant", "size"):
            for node, own in zip(given, kinds, strict=True):
                if own == kind:
                    known[node] = graph.placeholder(node.name)
        results = _anything(graph.graph_copy(self.combine.graph, known))
        graph.output((*(results[_index(user)] for user in self.results), *results[:carries]))
        return Body(
            GraphModule(self.combine, graph),
            tuple(axis for _, axis in self.frames),
            (0,) * len(self.results),
            scanned_names(self.node, self.initials),
        )


def _anything(value: Any) -> Any:
    return value


def _index(result: Node) -> int:
    return int(_anything(result.args[1]))


def _unmoved(xs: Node) -> tuple[Node, int]:
    """A sequence and its axis of turns, before ``scan`` moved that to the front."""
    if xs.target is aten.permute.default:
        dims = list(_anything(xs.args[1]))
        if dims[1:] == sorted(dims[1:]):
            return _anything(xs.args[0]), dims[0]
    return xs, 0
