"""Where a captured graph is cut into a prologue, run once per stream, and the step.

onnxruntime runs every node of a graph, so that one file cannot hold both. The cut goes where a value that depends on
conditioning only is read by one that depends on frames::

    src --> embedding --> gru --> linear --|cut|--> attention of every frame
                                           constant of the step

Above the cut the graph is replayed as it was captured: nothing there has time, so ops that mix positions of a source
need no rule. Views and casts of an input stay in the step, which reads the input itself.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import sympy
import torch

from edgeseq.exporters.capture import Captured, Input
from edgeseq.exporters.framewise import flatten
from edgeseq.exporters.origin import module_path
from edgeseq.exporters.symbols import Size

aten = torch.ops.aten
Nodes = dict[str, torch.fx.Node]

#: Ops that look at their operand in another way, or in another type: the step may as well do that itself.
VIEWS = frozenset(
    [
        operator.getitem,
        aten.view.default,
        aten._unsafe_view.default,
        aten.reshape.default,
        aten.unsqueeze.default,
        aten.squeeze.dim,
        aten.squeeze.dims,
        aten.select.int,
        aten.slice.Tensor,
        aten.split.Tensor,
        aten.split_with_sizes.default,
        aten.unbind.int,
        aten.expand.default,
        aten.clone.default,
        aten.alias.default,
        aten.detach.default,
        aten._to_copy.default,
    ]
)


@dataclass(frozen=True)
class Split:
    """Where a captured graph is cut.

    ``given``: the nodes whose values the prologue computes, by the names that they have as constants of the step.
    ``above``: names of the nodes that the step does without. ``possible``: of all at which it could be cut. ``asked``:
    of those at which it is, though they are only views of an input.
    """

    given: Mapping[str, torch.fx.Node] = field(default_factory=dict)
    above: frozenset[str] = frozenset()
    possible: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()

    @cached_property
    def names(self) -> dict[str, str]:
        """The names of the constants, by node."""
        return {node.name: name for name, node in self.given.items()}


class Known(NamedTuple):
    """Of a value that does not depend on frames: whether it depends on an input, and by more than a view of it."""

    conditioned: bool
    computed: bool


def split_off(captured: Captured, asked: frozenset[str] = frozenset()) -> Split:
    """Cut the graph. ``asked``: names of nodes that are cut though they are only views of an input."""
    known = _known(captured)
    possible = [node for node, found in known.items() if found.conditioned and _is_read_beyond(node, known)]
    cut = [node for node in possible if known[node].computed or node.name in asked]
    live = _live(captured, cut)
    idle = {node.name for node in known if node.op == "call_function" and tensors_of(node) and node not in live}
    names = frozenset(node.name for node in possible)
    return Split(_named(captured, cut, known), frozenset(idle - {node.name for node in cut}), names, asked)


def conditioning_of(captured: Captured) -> list[Input]:
    """The inputs without time."""
    return [item for item in captured.inputs if item.spec.time_axis is None]


def tensors_of(node: torch.fx.Node) -> list[torch.Tensor]:
    """The tensors that a node makes, as they were captured."""
    value = node.meta.get("val")
    leaves = flatten(list(value) if isinstance(value, tuple) else value)
    return [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]


def closure(nodes: Iterable[torch.fx.Node]) -> list[torch.fx.Node]:
    """The nodes and all that their values depend on, in no order; of a size only the size itself."""
    waiting, found = list(nodes), dict[torch.fx.Node, None]()
    while waiting:
        node = waiting.pop()
        if node not in found:
            found[node] = None
            waiting += node.all_input_nodes if tensors_of(node) else []
    return list(found)


def _known(captured: Captured) -> dict[torch.fx.Node, Known]:
    """The values that depend neither on frames nor on a size that no input without time shows."""
    given = {item.placeholder for item in conditioning_of(captured)}
    frames = {item.placeholder for item in captured.inputs} - given
    symbols = {symbol for node in captured.graph.nodes if node.name in given for symbol in symbols_of(captured, node)}
    found: dict[torch.fx.Node, Known] = {}
    for node in captured.graph.nodes:
        if node.op == "output" or node.name in frames or not symbols_of(captured, node) <= symbols:
            continue
        sources = [found.get(source) for source in node.all_input_nodes] if tensors_of(node) else []
        if None not in sources:
            found[node] = _joined(node, node.name in given, [source for source in sources if source is not None])
    return found


def _joined(node: torch.fx.Node, given: bool, sources: list[Known]) -> Known:
    conditioned = given or any(source.conditioned for source in sources)
    computes = node.op == "call_function" and node.target not in VIEWS
    return Known(conditioned, conditioned and (computes or any(source.computed for source in sources)))


def symbols_of(captured: Captured, node: torch.fx.Node) -> set[sympy.Symbol]:
    """The sizes that a value's shape, or a number, is made of."""
    value = node.meta.get("val")
    sizes: list[Size] = [size for tensor in tensors_of(node) for size in captured.shape(tensor)]
    if isinstance(value, (torch.SymInt, torch.SymFloat)):
        sizes.append(value.node.expr.xreplace(dict(captured.rename)))
    return {symbol for size in sizes if isinstance(size, sympy.Expr) for symbol in size.free_symbols}


def _is_read_beyond(node: torch.fx.Node, known: Mapping[torch.fx.Node, Known]) -> bool:
    """Whether the step needs the value of a node: reads it in an op of its own, or returns it."""
    if node.op != "call_function" or not isinstance(node.meta.get("val"), torch.Tensor):
        return False
    return any(user not in known and (user.op == "output" or tensors_of(user)) for user in node.users)


def _live(captured: Captured, cut: list[torch.fx.Node]) -> set[torch.fx.Node]:
    """The nodes whose values are needed once those of ``cut`` are given; sizes are looked up, not computed."""
    stops, found = set(cut), set[torch.fx.Node]()
    for node in reversed(captured.graph.nodes):
        users = (user for user in node.users if user.op == "output" or (user not in stops and tensors_of(user)))
        if node.op == "output" or any(user in found for user in users):
            found.add(node)
    return found


def _named(captured: Captured, cut: list[torch.fx.Node], known: Mapping[torch.fx.Node, Known]) -> Nodes:
    """Names after the modules that the values come from: ``encoder.bridge.value``."""
    taken = {item.name for item in captured.inputs} | {name for name, _ in captured.outputs}
    found: dict[str, torch.fx.Node] = {}
    for node in cut:
        base = f"{_path(captured, node, known)}.value"
        count = 1
        while (name := f"{base}{count}" if count > 1 else base) in taken | found.keys():
            count += 1
        found[name] = node
    return found


def _path(captured: Captured, node: torch.fx.Node, known: Mapping[torch.fx.Node, Known]) -> str:
    """The module that a value comes from; of what the model itself makes, that of its first operand that has one."""
    inputs = {item.placeholder: item.name for item in captured.inputs}
    while node.op == "call_function" and not module_path(node):
        node = next(source for source in node.all_input_nodes if known[source].conditioned)
    return inputs.get(node.name) or module_path(node)
