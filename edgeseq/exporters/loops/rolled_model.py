"""A model whose loops over time are rolled up, as a module with the model's own arguments and results."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.export import ExportedProgram
from torch.fx import Graph, GraphModule
from torch.fx.traceback import preserve_node_meta
from torch.utils._pytree import tree_leaves, tree_unflatten

#: Where the model's tensors are in the module.
PREFIX = "rolled."


class RolledModel(nn.Module):
    """Computes what the model computes, by a graph in which a loop is one call, at any length."""

    def __init__(self, graph: GraphModule, program: ExportedProgram, names: Sequence[str]) -> None:
        super().__init__()
        self.rolled = graph
        self.arguments = tuple(names)
        returned = program.call_spec.out_spec
        assert returned is not None
        self._as_returned: Callable[[Any], Any] = lambda results: tree_unflatten(results, returned)
        self.train(False)

    def forward(self, **given: Any) -> Any:
        """What the model's forward returns."""
        tensors = tree_leaves([given[name] for name in self.arguments])
        with preserve_node_meta():  # so that a capture names the model's own lines
            results = torch.fx.Interpreter(self.rolled).run(*tensors)
        return self._as_returned(list(results))


def rolled_model(
    model: nn.Module, graph: Graph, program: ExportedProgram, tensors: Mapping[str, torch.Tensor], names: Sequence[str]
) -> RolledModel:
    """The module of a unified graph. ``tensors`` are the model's by placeholder, ``names`` the arguments in order."""
    targets = {spec.arg.name: spec.target for spec in program.graph_signature.input_specs if spec.target}
    root: dict[str, Any] = {}
    for node in list(graph.nodes):
        if node.op == "placeholder" and node.target in tensors:
            root[targets[node.target]] = _held(tensors[node.target])
            with graph.inserting_before(node):
                held = graph.create_node("get_attr", targets[node.target])
            held.meta = dict(node.meta)
            node.replace_all_uses_with(held)
            graph.erase_node(node)
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD

    def forward(self: RolledModel, *args: Any, **given: Any) -> Any:
        return RolledModel.forward(self, **dict(zip(names, args, strict=False)), **given)

    forward.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, kind) for name in ("self", *names)]
    )
    made: type[RolledModel] = type(type(model).__name__, (RolledModel,), {"forward": forward})
    return made(GraphModule(_rooted(root), graph), program, names)


def _rooted(root: Mapping[str, Any]) -> nn.Module:
    """A module that holds tensors under dotted names."""
    made = nn.Module()
    for name, tensor in root.items():
        *path, last = name.split(".")
        place = made
        for part in path:
            if part not in place._modules:
                place.add_module(part, nn.Module())
            place = place._modules[part]  # type: ignore[assignment]
        if isinstance(tensor, nn.Parameter):
            place.register_parameter(last, tensor)
        else:
            place.register_buffer(last, tensor)
    return made


def _held(tensor: torch.Tensor) -> torch.Tensor:
    return nn.Parameter(tensor, requires_grad=False) if tensor.is_floating_point() else tensor
