"""Writing new nodes into a captured graph, each with the shape that the capture would have given it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch._dispatch.python import enable_python_dispatcher
from torch._guards import detect_fake_mode

from edgeseq.errors import NotStreamable
from edgeseq.exporters.call import Call
from edgeseq.exporters.capture import Captured
from edgeseq.exporters.symbols import mentions


class Emitter:
    """Writes nodes in front of one node, which they replace: they have its module and its source line."""

    def __init__(self, captured: Captured, node: torch.fx.Node, tensors: dict[str, torch.Tensor]) -> None:
        self.captured = captured
        self.node = node
        self._tensors = tensors

    def __call__(self, op: Any, *args: Any, **kwargs: Any) -> torch.fx.Node:
        """A new node, its shape and dtype worked out on the capture's fake tensors."""
        with self.node.graph.inserting_before(self.node):
            made = self.node.graph.create_node("call_function", op, args, kwargs, name=op.__name__.split(".")[0])
        made.meta = {key: item for key, item in self.node.meta.items() if key != "val"}
        mode = detect_fake_mode(list(tensors_of([self.node, *made.all_input_nodes])))
        assert mode is not None
        with mode, enable_python_dispatcher(), torch.no_grad():  # without the dispatcher a pad fixes time's size
            made.meta["val"] = op(*_fake(args), **_fake(kwargs))
        return made

    def constant(self, tensor: torch.Tensor) -> torch.fx.Node:
        """A tensor known now, as a weight of the graph."""
        graph = self.node.graph
        with graph.inserting_before(next(iter(graph.nodes))):
            made = graph.placeholder(f"{self.node.name}_constant")
        mode = detect_fake_mode(list(tensors_of([self.node, *self.node.all_input_nodes])))
        assert mode is not None
        made.meta["val"] = mode.from_tensor(tensor, static_shapes=True)
        self._tensors[made.name] = tensor
        return made

    def along_time(self, size: Any) -> bool:
        """True for a size that grows with time."""
        return mentions(self.captured.size(size), self.captured.time)

    def refuse(self, why: str, do: str) -> NotStreamable:
        """NotStreamable for the node: op, module path, source line, reason, remedy."""
        call = Call(self.captured, batch=1, chunk=1, axes={}, device=torch.device("cpu"))
        call.node = self.node
        return call.refuse(why, do)


def with_own_graph(captured: Captured) -> Captured:
    """The same with a graph of its own, so that it may be changed. Nodes keep their names."""
    graph = torch.fx.Graph()
    nodes: dict[torch.fx.Node, torch.fx.Node] = {}
    graph.output(graph.graph_copy(captured.graph, nodes))
    for node, copied in nodes.items():
        copied.name = node.name  # fx renames an argument called as a builtin is, such as input
    outputs = tuple((name, nodes[node]) for name, node in captured.outputs)
    return replace(captured, graph=graph, outputs=outputs)


def rewritten(captured: Captured, replaced: Mapping[torch.fx.Node, torch.fx.Node]) -> Captured:
    """The captured model without nodes that nothing reads, its outputs those that took the place of others."""
    outputs = tuple((name, replaced.get(node, node)) for name, node in captured.outputs)
    captured.graph.eliminate_dead_code()
    return replace(captured, outputs=outputs)


def tensors_of(nodes: list[torch.fx.Node]) -> Iterator[torch.Tensor]:
    """The captured tensors that some nodes give."""
    for node in nodes:
        value = node.meta.get("val")
        items = value if isinstance(value, (tuple, list)) else [value]
        yield from (item for item in items if isinstance(item, torch.Tensor))


def _fake(tree: Any) -> Any:
    return torch.fx.node.map_arg(tree, lambda node: node.meta["val"])
