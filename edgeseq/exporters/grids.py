"""Values over frames that no input enters: masks, biases and distances made of sizes, positions and constants.

A causal mask is ``T x T`` in the model. A step needs the rows of its own frames and the columns of the frames seen so
far, so such a value is not replayed: it is computed at the pairs of frames where it meets a value of the stream
(:func:`edgeseq.exporters.rules.grids.at_pairs`), and at frames near and far to learn what it keeps apart. ``known``
remembers that by node.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sympy
import torch

from edgeseq.exporters.known import Known
from edgeseq.exporters.symbols import evaluate, mentions, size_of

#: Frames of the sequence on which whole values are computed.
SAMPLE = 64

_aten = torch.ops.aten
#: Ops that take a tensor for its shape and type alone: the argument they fill with, or the number as text.
SHAPED: Mapping[Any, int | str] = {
    _aten.new_zeros.default: "0",
    _aten.new_ones.default: "1",
    _aten.new_full.default: 2,
    _aten.zeros_like.default: "0",
    _aten.ones_like.default: "1",
    _aten.full_like.default: 1,
}


class Grids:
    """The values of a captured graph that depend on sizes and constants only, and have time in them."""

    def __init__(
        self,
        graph: torch.fx.Graph,
        inputs: frozenset[str],
        tensors: Mapping[str, torch.Tensor],
        time: sympy.Symbol,
        rename: Mapping[sympy.Symbol, sympy.Symbol],
        most: int | None,
        multiple: int,
    ) -> None:
        self._tensors, self._time, self._rename = tensors, time, dict(rename)
        frames = min(most or SAMPLE, SAMPLE)
        self.frames = max(frames - frames % multiple, multiple)
        self.known: dict[torch.fx.Node, Known] = {}
        self.patterns: dict[Any, Any] = {}
        self.causal: dict[torch.fx.Node, bool] = {}
        self.most, self.multiple = most, multiple
        self.free = _free(graph, inputs)
        self._only_paired: set[torch.fx.Node] = set()
        for node in reversed(graph.nodes):
            users = [user for user in node.users if not _is_check(user)]
            if node in self.free and self._time_axes(node) and users and all(self._pairs(user, node) for user in users):
                self._only_paired.add(node)

    def is_grid(self, node: torch.fx.Node) -> bool:
        """True where the node is free of inputs and over pairs of frames, or is read by such, or as places, alone."""
        return node in self._only_paired or self.is_pair(node)

    def is_pair(self, node: torch.fx.Node) -> bool:
        """True where the node is free of inputs and has time in more than one axis."""
        return node in self.free and self._time_axes(node) > 1

    def _pairs(self, user: torch.fx.Node, node: torch.fx.Node) -> bool:
        placed = user.target is _aten.index_add.default and user.args[2] is node and user.args[3] is not node
        return placed or user in self._only_paired or self._time_axes(user) > 1

    def _time_axes(self, node: torch.fx.Node) -> int:
        value = node.meta.get("val")
        if not isinstance(value, torch.Tensor):
            return 0
        return sum(mentions(self._size(size), self._time) for size in value.shape)

    def is_time(self, size: Any) -> bool:
        """True for a size that grows with time."""
        return mentions(self._size(size), self._time)

    def whole(self, node: torch.fx.Node, frames: int | None = None, others: int = 1) -> torch.Tensor:
        """The node's value on a sequence of ``frames`` frames, by default the sample's; ``others``: all other sizes."""
        found: dict[torch.fx.Node, Any] = {}
        for source in _sources_first(node):
            found[source] = self._value(source, found, (frames or self.frames, others))
        result: torch.Tensor = found[node]
        return result

    def sample(self, size: Any, sizes: tuple[int, int]) -> int:
        """A captured size on a sequence of so many frames, with all other sizes another number."""
        size = self._size(size)
        if isinstance(size, int):
            return size
        others = dict.fromkeys(size.free_symbols, sizes[1])
        return int(evaluate(size, {**others, self._time: sizes[0]}))

    def _size(self, size: Any) -> Any:
        found = size if isinstance(size, (int, sympy.Expr)) else size_of(size)
        return found if isinstance(found, int) else found.xreplace(self._rename)

    def _value(self, node: torch.fx.Node, found: Mapping[torch.fx.Node, Any], sizes: tuple[int, int]) -> Any:
        if node.op == "placeholder":
            return self._tensors[node.name]
        if _is_size(node):
            return self.sample(node.meta["val"], sizes)
        if node.target in SHAPED:
            value = node.meta["val"]
            filled = [self.sample(size, sizes) for size in value.shape]
            return torch.full(filled, _fill(node, found), dtype=value.dtype)
        args: Any = torch.fx.node.map_arg(node.args, lambda source: found[source])
        kwargs: Any = torch.fx.node.map_arg(node.kwargs, lambda source: found[source])
        op: Any = node.target
        with torch.no_grad():
            return op(*args, **kwargs)


def _fill(node: torch.fx.Node, found: Mapping[torch.fx.Node, Any]) -> Any:
    fill = SHAPED[node.target]
    given = node.args[fill] if isinstance(fill, int) else float(fill)
    return found[given] if isinstance(given, torch.fx.Node) else given


def _operands(node: torch.fx.Node) -> list[torch.fx.Node]:
    """What a node's value depends on: of a tensor that is only a pattern for its shape, nothing."""
    if _is_size(node):
        return []
    return [source for source in node.all_input_nodes if node.target not in SHAPED or _is_size(source)]


def _sources_first(node: torch.fx.Node) -> list[torch.fx.Node]:
    """The node and all that it is computed from, each after its operands; sizes stand for themselves."""
    order: dict[torch.fx.Node, None] = {}
    waiting = [node]
    while waiting:
        current = waiting[-1]
        missing = [source for source in _operands(current) if source not in order]
        if missing:
            waiting.extend(missing)
            continue
        order[waiting.pop()] = None
    return list(order)


def _is_check(node: torch.fx.Node) -> bool:
    """True for what the capture asserts of a value and nobody reads."""
    return node.op == "call_function" and node.meta.get("val") is None and not node.users


def _is_size(node: torch.fx.Node) -> bool:
    return isinstance(node.meta.get("val"), (int, torch.SymInt))


def _free(graph: torch.fx.Graph, inputs: frozenset[str]) -> frozenset[torch.fx.Node]:
    """The nodes that no value of an input reaches; sizes may."""
    free: set[torch.fx.Node] = set()
    for node in graph.nodes:
        if node.op == "placeholder":
            if node.name not in inputs:
                free.add(node)
        elif node.op == "call_function" and (_is_size(node) or _is_made(node, free)):
            free.add(node)
    return frozenset(free)


def _is_made(node: torch.fx.Node, free: set[torch.fx.Node]) -> bool:
    drawn = torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())
    return not drawn and free.issuperset(_operands(node))
