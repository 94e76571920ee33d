"""Graphs of one model captured at several lengths, made one: sizes that differ become numbers made from time."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch.fx import Graph, Node

from edgeseq.exporters.loops.irregular import Irregular

aten = torch.ops.aten


def unified(graphs: Sequence[Graph], lengths: Sequence[int], time: tuple[str, int, int]) -> Graph:
    """The one graph of which each of ``graphs`` is the instance at its length.

    ``time`` says where the length is found: a placeholder's name, its axis, and how many frames it holds per base
    frame. Irregular where the graphs differ in more than whole numbers that grow evenly with the length.
    """
    rows = list(zip(*(list(graph.nodes) for graph in graphs), strict=False))
    if len({len(graph.nodes) for graph in graphs}) > 1:
        odd = next((row[0] for row in rows if len({node.target for node in row}) > 1), rows[-1][0])
        raise Irregular(odd, "what surrounds the loop depends on the number of frames")
    made = _Unifying(lengths, time)
    for row in rows:
        made.add(row)
    return made.graph


def _from_the_end(node: Node) -> tuple[Any, ...]:
    """The arguments of a node; what it takes from the second half of an axis, counted from the end.

    A place near the end of time then is the same number at every length.
    """
    if node.target not in (aten.select.int, aten.slice.Tensor):
        return node.args
    size = node.args[0].meta["val"].shape[node.args[1] if len(node.args) > 1 else 0]  # type: ignore[union-attr]
    if not isinstance(size, int):
        return node.args
    places = [place - size if isinstance(place, int) and size // 2 < place < size else place for place in node.args[2:]]
    return (*node.args[:2], *places)


class _Unifying:
    def __init__(self, lengths: Sequence[int], time: tuple[str, int, int]) -> None:
        self.graph, self.lengths, self.time = Graph(), lengths, time
        self.place: list[dict[Node, int]] = [{} for _ in lengths]
        self.made: list[Node] = []
        self.frames: Node | None = None

    def add(self, row: tuple[Node, ...]) -> None:
        """One node from its instances."""
        first = row[0]
        if len({(node.op, node.name if node.op == "placeholder" else node.target) for node in row}) > 1:
            raise Irregular(first, "what surrounds the loop depends on the number of frames")
        args = self._one(first, [_from_the_end(node) for node in row])
        kwargs = self._one(first, [node.kwargs for node in row])
        made = self.graph.create_node(first.op, first.target, args, kwargs, name=first.name)
        made.meta = dict(first.meta)
        for node, places in zip(row, self.place, strict=True):
            places[node] = len(self.made)
        self.made.append(made)

    def _one(self, node: Node, values: Sequence[Any]) -> Any:
        first = values[0]
        if all(isinstance(value, Node) for value in values):
            found = {places[value] for places, value in zip(self.place, values, strict=True)}
            if len(found) == 1:
                return self.made[found.pop()]
        elif all(isinstance(value, (list, tuple)) for value in values) and len({len(value) for value in values}) == 1:
            return tuple(self._one(node, items) for items in zip(*values, strict=True))
        elif all(isinstance(value, dict) for value in values) and len({tuple(value) for value in values}) == 1:
            return {name: self._one(node, [value[name] for value in values]) for name in first}
        elif all(type(value) is type(first) and (value == first or value != value) for value in values):
            return first
        elif all(type(value) is int for value in values):
            return self._size(node, values)
        raise Irregular(node, "what surrounds the loop depends on the number of frames")

    def _size(self, node: Node, values: Sequence[int]) -> Node:
        """``a * time + b`` for numbers that are so at every length."""
        one, other, *_ = self.lengths
        times, rest = divmod(values[1] - values[0], other - one)
        offset = values[0] - times * one
        if rest or any(times * n + offset != value for n, value in zip(self.lengths, values, strict=True)):
            raise Irregular(node, "a size does not grow evenly with the number of frames")
        size: Any = self._time()
        size = self.graph.call_function(operator.mul, (size, times)) if times != 1 else size
        return self.graph.call_function(operator.add, (size, offset)) if offset else size

    def _time(self) -> Node:
        if self.frames is None:
            name, axis, ratio = self.time
            source = next((node for node in self.made if node.op == "placeholder" and node.target == name), None)
            if source is None:
                raise Irregular(None, "a size is needed before the input that it is read off")
            with self.graph.inserting_after(source):
                size = self.graph.call_function(torch.ops.aten.sym_size.int, (source, axis))
            with self.graph.inserting_after(size):
                self.frames = self.graph.call_function(operator.floordiv, (size, ratio)) if ratio > 1 else size
        return self.frames
