"""Are the turns of an unrolled loop the same computation? What a turn reads is matched, value by value.

A value of the body is a *slot*: its place in a middle turn, the template. Each turn's instance of a slot must call the
same op with the same numbers, on instances of the same slots of that turn or of so many turns before, or on the same
values from outside. Where the first turns reach back before the loop they show what the carried values begin with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.fx import Node

from edgeseq.exporters.loops.finding import Turns
from edgeseq.exporters.loops.irregular import Irregular

_Tree = Any


@dataclass(frozen=True)
class Slot:
    """A value of this turn, or of ``back`` turns before."""

    index: int
    back: int = 0


@dataclass(frozen=True)
class Outer:
    """A value from outside the loop, the same in every turn."""

    node: Node


@dataclass(frozen=True)
class Take:
    """The turn's frame of a sequence."""

    sequence: int


@dataclass
class Matched:
    """A loop whose turns are alike.

    ``slots`` are the template's nodes, ``reads`` their arguments with :class:`Slot` and :class:`Outer` in place of
    nodes (a :class:`Take` for those that take a frame). ``instances`` says which slot of which turn a node is.
    ``initials`` holds what the carried slots are before the loop: ``[slot][-1]`` is that of the turn before the first.
    """

    turns: Turns
    slots: tuple[Node, ...]
    reads: list[_Tree] = field(default_factory=list)
    instances: dict[Node, tuple[int, int]] = field(default_factory=dict)
    initials: dict[int, dict[int, Any]] = field(default_factory=dict)

    def instance(self, slot: int, turn: int) -> Node | None:
        """The node that is a slot in a turn."""
        return next((node for node, place in self.instances.items() if place == (slot, turn)), None)


def matched(turns: Turns) -> Matched:
    """The loop's body, proved to be the same in every turn; Irregular where it is not."""
    middle = max(2, turns.count - 3)
    loop = Matched(turns, turns.turns[middle])
    _number_middle(loop, middle)
    loop.reads = [_reads(loop, node, middle) for node in loop.slots]
    for turn in range(1, middle):
        for slot, node in enumerate(turns.turns[turn]):
            _match(loop, node, slot, turn)
    _number_first(loop)
    for turn in range(middle + 1, turns.count):
        _number_late(loop, turn)
    return loop


def _number_middle(loop: Matched, middle: int) -> None:
    for turn in range(1, middle + 1):
        nodes = loop.turns.turns[turn]
        if len(nodes) != len(loop.slots):
            raise Irregular(nodes[0], f"turn {turn} has another number of operations than turn {middle}")
        loop.instances |= {node: (slot, turn) for slot, node in enumerate(nodes)}


def _reads(loop: Matched, node: Node, turn: int) -> _Tree:
    """What a node of a turn reads, told in slots."""
    for index, group in enumerate(loop.turns.sequences):
        if group.takes[turn] is node:
            return Take(index)

    def read(source: Node) -> Any:
        place = loop.instances.get(source)
        return Outer(source) if place is None else Slot(place[0], turn - place[1])

    return _told((node.args, node.kwargs), read)


def _told(tree: _Tree, read: Any) -> _Tree:
    if isinstance(tree, Node):
        return read(tree)
    if isinstance(tree, (list, tuple)):
        return tuple(_told(item, read) for item in tree)
    if isinstance(tree, dict):
        return tuple((key, _told(item, read)) for key, item in tree.items())
    return tree


def _match(loop: Matched, node: Node, slot: int, turn: int) -> None:
    wanted = loop.reads[slot]
    if node.target is not loop.slots[slot].target:
        raise Irregular(node, "it calls another op than the turns after it do")
    if isinstance(wanted, Take):
        if loop.turns.sequences[wanted.sequence].takes[turn] is not node:
            raise Irregular(node, "it takes another frame than its turn's own")
        return
    _unify(loop, node, wanted, _told((node.args, node.kwargs), lambda source: source), turn)


def _unify(loop: Matched, node: Node, wanted: _Tree, got: _Tree, turn: int) -> None:
    if isinstance(wanted, Slot):
        _bind(loop, got, wanted.index, turn - wanted.back)
    elif isinstance(wanted, Outer):
        if got is not wanted.node:
            raise Irregular(node, "it reads another value from outside the loop than other turns do")
    elif isinstance(wanted, tuple) and isinstance(got, tuple) and len(wanted) == len(got):
        for one, other in zip(wanted, got, strict=True):
            _unify(loop, node, one, other, turn)
    elif isinstance(got, (Node, tuple)) or not _equal(wanted, got):
        raise Irregular(node, "its numbers depend on the turn, or on the number of turns")


def _equal(one: Any, other: Any) -> bool:
    return type(one) is type(other) and (one == other or (one != one and other != other))


def _bind(loop: Matched, node: Any, slot: int, turn: int) -> None:
    """Take note that a value is a slot of a turn; before the first turn: what the slot is carried from."""
    if turn < 0:
        known = loop.initials.setdefault(slot, {}).setdefault(turn, node)
        if known is not node and not (not isinstance(node, Node) and _equal(known, node)):
            raise Irregular(node if isinstance(node, Node) else None, "it begins with two values at once")
        return
    if not isinstance(node, Node):
        raise Irregular(None, "a number stands where other turns have a tensor")
    if turn > 0:
        if loop.instances.get(node) != (slot, turn):
            raise Irregular(node, "it reads another value than other turns do")
        return
    known_place = loop.instances.get(node)
    if known_place is not None and known_place != (slot, 0):
        raise Irregular(node, "it serves two purposes in the first turn")
    if known_place is None:
        loop.instances[node] = (slot, 0)
        _match(loop, node, slot, 0)


def _number_first(loop: Matched) -> None:
    """Find the slots of the first turn that no later turn reads, in their order."""
    for slot, template in enumerate(loop.slots):
        if loop.instance(slot, 0) is not None:
            continue
        for node in loop.turns.turns[0]:
            if node.target is template.target and node not in loop.instances and _fits(loop, node, slot):
                break


def _fits(loop: Matched, node: Node, slot: int) -> bool:
    """Whether a node is a slot in the first turn; if so, it is noted."""
    instances = dict(loop.instances)
    initials = {carried: dict(values) for carried, values in loop.initials.items()}
    try:
        _bind(loop, node, slot, 0)
    except Irregular:
        loop.instances, loop.initials = instances, initials
        return False
    return True


def _number_late(loop: Matched, turn: int) -> None:
    """Find the slots of a turn near the end, which may lack what only a next turn would read."""
    slots: dict[Any, list[int]] = {}
    for slot, reads in enumerate(loop.reads):
        slots.setdefault(_key(loop.slots[slot].target, reads), []).append(slot)
    for node in loop.turns.turns[turn]:
        alike = slots.get(_key(node.target, _reads(loop, node, turn)))
        if alike:
            loop.instances[node] = (alike.pop(0), turn)


def _key(target: Any, reads: _Tree) -> tuple[Any, str]:
    return target, repr(reads)  # names a node, and tells the type of a number


def invariants(loop: Matched) -> set[int]:
    """Slots that are the same in every turn: what they read comes from outside alone."""
    found: set[int] = set()
    for index, reads in enumerate(loop.reads):
        leaves = list(_leaves(reads))
        slots = [leaf for leaf in leaves if isinstance(leaf, Slot)]
        random = torch.Tag.nondeterministic_seeded in getattr(loop.slots[index].target, "tags", ())
        taken = any(isinstance(leaf, Take) for leaf in leaves)
        if not taken and not random and all(slot.back == 0 and slot.index in found for slot in slots):
            found.add(index)
    return found


def _leaves(tree: _Tree) -> Iterator[Any]:
    if isinstance(tree, tuple):
        for item in tree:
            yield from _leaves(item)
    else:
        yield tree


def leaves(tree: _Tree) -> list[Any]:
    """The leaves of what a slot reads."""
    return list(_leaves(tree))
