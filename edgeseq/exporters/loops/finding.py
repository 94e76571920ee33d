"""Where a graph captured at one length takes frames one after another: its loops over time, cut into turns."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.fx import Graph, Node

from edgeseq.exporters.loops.irregular import Irregular

aten = torch.ops.aten
#: Fewer turns do not show what repeats.
LEAST_TURNS = 5


@dataclass(frozen=True)
class Sequence:
    """Frames ``first``, ``first + 1``, ... of a value along an axis, taken by ``takes``."""

    source: Node
    axis: int
    first: int
    takes: tuple[Node, ...]


@dataclass(frozen=True)
class Turns:
    """A loop before anything is known of its body: the sequences that it takes, and its nodes in order, by turn.

    ``before`` are the nodes in front of the first turn. The last turn runs on to the end of the graph.
    """

    sequences: tuple[Sequence, ...]
    turns: tuple[tuple[Node, ...], ...]

    @property
    def count(self) -> int:
        """How often the body runs."""
        return len(self.turns)


def sequences_of(graph: Graph) -> list[Sequence]:
    """Values of which at least ``LEAST_TURNS`` successive frames are taken one by one, in the order of time."""
    found: dict[tuple[Node, int], dict[int, Node]] = {}
    for node in graph.nodes:
        if node.target is aten.select.int and isinstance(node.args[2], int):
            found.setdefault((node.args[0], node.args[1]), {})[node.args[2]] = node
    made = []
    for (source, axis), takes in found.items():
        indices = sorted(takes)
        in_order = [takes[index] for index in indices]
        if indices != list(range(indices[0], indices[-1] + 1)) or len(indices) < LEAST_TURNS:
            continue
        if all(one < other for one, other in itertools.pairwise(in_order)):
            made.append(Sequence(source, axis, indices[0], tuple(in_order)))
    return made


def backward(graph: Graph) -> Node | None:
    """The first frame that is taken by a loop that runs from the end of time to its beginning, if there is one."""
    found: dict[tuple[Node, int], list[int]] = {}
    for node in graph.nodes:
        if node.target is aten.select.int and isinstance(node.args[2], int):
            taken = found.setdefault((node.args[0], node.args[1]), [])
            taken.append(node.args[2])
            if len(taken) >= LEAST_TURNS and taken == list(range(taken[0], taken[0] - len(taken), -1)):
                return node  # type: ignore[no-any-return]
    return None


def first_loop(graph: Graph) -> list[Sequence]:
    """The sequences of the first loop: those taken in the same stretch of the graph."""
    groups = sorted(sequences_of(graph), key=lambda group: group.takes[0])
    if not groups:
        return []
    loop, end = [groups[0]], groups[0].takes[-1]
    for group in groups[1:]:
        if group.takes[0] < end:
            loop.append(group)
            end = max(end, group.takes[-1])
    return loop


def cuts(graph: Graph, sequences: list[Sequence]) -> Iterator[Turns]:
    """The ways to cut the graph into turns, the likeliest first: a turn begins at its first take or some nodes before.

    Wherever a cut is made, only turns that prove alike make a loop. Last come those without a first turn, which may be
    another: it then stands before the loop.
    """
    even = len({len(group.takes) for group in sequences}) == 1
    if even:
        yield from _cuts(graph, sequences)
    later = _later(sequences)
    if len(later[0].takes) >= LEAST_TURNS - 1:
        yield from _cuts(graph, later)
    elif not even:
        raise Irregular(sequences[0].takes[0], "some sequences are read at fewer frames than others")


def _later(sequences: list[Sequence]) -> list[Sequence]:
    """The sequences without what only a first turn takes."""
    counts = {len(group.takes) for group in sequences}
    count = min(counts) if len(counts) > 1 else min(counts) - 1
    dropped = [len(group.takes) - count for group in sequences]
    return [
        Sequence(group.source, group.axis, group.first + drop, group.takes[drop:])
        for group, drop in zip(sequences, dropped, strict=True)
    ]


def _cuts(graph: Graph, sequences: list[Sequence]) -> Iterator[Turns]:
    nodes = [node for node in graph.nodes if node.op == "call_function"]
    place = {node: index for index, node in enumerate(nodes)}
    firsts = [min(place[group.takes[t]] for group in sequences) for t in range(len(sequences[0].takes))]
    room = min(later - one for one, later in itertools.pairwise(firsts))
    alike = 0
    while alike + 1 < room and _alike(nodes, firsts, alike + 1):
        alike += 1
    for early in range(alike, -1, -1):
        starts = [first - early for first in firsts]
        ends = [*starts[1:], len(nodes)]
        yield Turns(tuple(sequences), tuple(tuple(nodes[a:b]) for a, b in zip(starts, ends, strict=True)))


def _alike(nodes: list[Node], firsts: list[int], early: int) -> bool:
    """True where the nodes so far before each turn's first take call the same op."""
    return firsts[0] >= early and len({nodes[first - early].target for first in firsts}) == 1
