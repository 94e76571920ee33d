"""The loops of a graph captured at one length, rolled up: each becomes one call of ``edgeseq::loop``."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.fx import Graph, GraphModule, Node

from edgeseq.exporters.loops.canonical import aten, insert
from edgeseq.exporters.loops.finding import Sequence, Turns, cuts, first_loop
from edgeseq.exporters.loops.irregular import Irregular
from edgeseq.exporters.loops.loop_op import Body, keep_body
from edgeseq.exporters.loops.matching import Matched, Outer, Slot, Take, invariants, leaves, matched
from edgeseq.exporters.loops.naming import carried_name

_TO_THE_END = 2**63 - 1
#: A slot and the axis along which the results of its turns are put together.
Stored = tuple[int, int]


def roll_up(graph: Graph) -> int:
    """Roll up every loop of the graph, in place, and count them; Irregular where one has turns that differ."""
    count = 0
    while sequences := first_loop(graph):
        _roll_up(graph, sequences)
        count += 1
    return count


def _roll_up(graph: Graph, sequences: list[Sequence]) -> None:
    """Roll up one loop by the first cut that fits; behind a first turn of its own by the one that leaves least over."""
    errors: list[Irregular] = []
    later: list[_Rolling] = []
    for turns in cuts(graph, sequences):
        try:
            rolling = _Rolling(graph, turns)
            if turns.sequences == tuple(sequences):
                return rolling.run()
            later.append(rolling)
        except Irregular as error:
            errors.append(error)
    for rolling in sorted(later, key=lambda rolling: rolling.left_over):
        try:
            return rolling.run()
        except Irregular as error:
            errors.append(error)
    raise errors[0]


@dataclass(frozen=True)
class _Piece:
    """Part of a list that is stacked: slot ``slot`` of the turns from ``first`` to ``last``."""

    slot: int
    first: int
    last: int


@dataclass
class _Given:
    """What the body is given, in order: sequences, carried slots and how many turns back, constants, sizes."""

    sequences: list[int] = field(default_factory=list)
    carried: list[tuple[int, int]] = field(default_factory=list)
    constants: list[Node] = field(default_factory=list)
    sizes: list[Node] = field(default_factory=list)


class _Rolling:
    """One loop on its way into one node. Nothing is changed before all of it is known to fit."""

    def __init__(self, graph: Graph, turns: Turns) -> None:
        self.graph = graph
        self.loop: Matched = matched(turns)
        self.fixed = invariants(self.loop)
        self.users = [node for node in graph.nodes if self._place(node) is None and self._read_places(node)]
        if not self.users:
            raise Irregular(turns.turns[0][0], "nothing that it computes is used")
        self.stored: list[Stored] = []
        for user in self.users:
            self._store(user)
        self.needed = self._needed()
        self.given = self._gather()

    def run(self) -> None:
        """Put the node in place of the turns."""
        before = self.users[0]
        key = keep_body(self._body())
        node = self._call(before, key)
        self._results = {
            stored: self._insert(before, operator.getitem, (node, index)) for index, stored in enumerate(self.stored)
        }
        self._taken_back: dict[tuple[int, int], Node] = {}
        single = [user for user in self.users if self._pieces(user) is None]
        places = {place for user in single for place in self._read_places(user).values()}
        #: Slots of which every turn's value is used by itself, as by a next loop.
        turns = range(self.loop.turns.count)
        self._handed_on = {slot for slot, _ in self.stored if all((slot, turn) in places for turn in turns)}
        for user in self.users:
            self._reconnect(user)
        self.graph.eliminate_dead_code()
        self.graph.lint()

    @property
    def left_over(self) -> int:
        """How many nodes read single turns, as the rest of a last turn that was cut short."""
        return sum(self._pieces(user) is None for user in self.users)

    # -- what is used ------------------------------------------------------------------------------------------------

    def _place(self, node: Any) -> tuple[int, int] | None:
        """The slot and turn of a value that differs from turn to turn."""
        place = self.loop.instances.get(node) if isinstance(node, Node) else None
        return None if place is None or place[0] in self.fixed else place

    def _read_places(self, user: Node) -> dict[Node, tuple[int, int]]:
        """What a node outside reads of the turns; a frame that a turn merely takes is there without it."""
        found = {source: place for source in user.all_input_nodes if (place := self._place(source)) is not None}
        if self._pieces(user) is not None:
            return found
        return {node: place for node, place in found.items() if not isinstance(self.loop.reads[place[0]], Take)}

    def _pieces(self, user: Node) -> list[Node | _Piece] | None:
        """The list of a stack in pieces, one of them from the loop; None for any other user."""
        if user.target is not aten.stack.default:
            return None
        pieces: list[Any] = []
        for item in user.args[0]:  # type: ignore[union-attr]
            place, last = self._place(item), pieces[-1] if pieces else None
            if place is None:
                pieces.append(item)
            elif isinstance(last, _Piece) and place == (last.slot, last.last + 1):
                pieces[-1] = _Piece(last.slot, last.first, place[1])
            else:
                pieces.append(_Piece(place[0], place[1], place[1]))
        return pieces if sum(isinstance(piece, _Piece) for piece in pieces) == 1 else None

    def _stack_axis(self, user: Node) -> int:
        axis: Any = user.args[1] if len(user.args) > 1 else 0
        return int(axis) % len(user.meta["val"].shape)

    def _store(self, user: Node) -> None:
        """Note what a user needs stored."""
        pieces = self._pieces(user)
        if pieces is not None:
            found = [(piece.slot, self._stack_axis(user)) for piece in pieces if isinstance(piece, _Piece)]
        else:
            found = [(slot, 0) for slot, _ in self._read_places(user).values()]
        self.stored += [key for key in found if key not in self.stored]

    def _needed(self) -> list[int]:
        """The slots that the stored ones depend on, in the order of a turn."""
        found: set[int] = set()
        waiting = [slot for slot, _ in self.stored]
        while waiting:
            slot = waiting.pop()
            if slot in found or slot in self.fixed:
                continue
            found.add(slot)
            waiting += [read.index for read in leaves(self.loop.reads[slot]) if isinstance(read, Slot)]
        for slot in found:
            if self.loop.instance(slot, 0) is None:
                raise Irregular(self.loop.slots[slot], "the first turn does not compute it as the others do")
        return sorted(found)

    def _gather(self) -> _Given:
        given = _Given()
        for slot in self.needed:
            for read in leaves(self.loop.reads[slot]):
                if isinstance(read, Take) and read.sequence not in given.sequences:
                    given.sequences.append(read.sequence)
                elif isinstance(read, Slot) and read.back and read.index not in self.fixed:
                    wanted = [(read.index, back) for back in range(1, read.back + 1)]
                    given.carried += [key for key in wanted if key not in given.carried]
                elif (outer := self._outer(read)) is not None:
                    kind = given.constants if isinstance(outer.meta["val"], torch.Tensor) else given.sizes
                    if outer not in kind:
                        kind.append(outer)
        if not given.sequences:
            raise Irregular(self.loop.slots[0], "it takes no frame that its results depend on")
        for slot, back in given.carried:
            if -back not in self.loop.initials.get(slot, {}):
                raise Irregular(self.loop.slots[slot], "what it begins with is not seen")
        return given

    def _outer(self, read: Any) -> Node | None:
        if isinstance(read, Outer):
            return read.node
        return self.loop.slots[read.index] if isinstance(read, Slot) and read.index in self.fixed else None

    # -- the body ----------------------------------------------------------------------------------------------------

    def _body(self) -> Body:
        graph, known = Graph(), {}  # type: ignore[var-annotated]
        frames = {index: graph.placeholder(f"frame{i}") for i, index in enumerate(self.given.sequences)}
        carried = {key: graph.placeholder(f"carried{i}") for i, key in enumerate(self.given.carried)}
        outer = {node: graph.placeholder(f"constant{i}") for i, node in enumerate(self.given.constants)}
        outer |= {node: graph.placeholder(f"size{i}") for i, node in enumerate(self.given.sizes)}

        def value(read: Any) -> Any:
            if isinstance(read, (Outer, Slot)) and (node := self._outer(read)) is not None:
                return outer[node]
            if isinstance(read, Slot):
                return carried[read.index, read.back] if read.back else known[read.index]
            return tuple(map(value, read)) if isinstance(read, tuple) else read

        for slot in self.needed:
            reads = self.loop.reads[slot]
            if isinstance(reads, Take):
                known[slot] = frames[reads.sequence]
                continue
            args, kwargs = reads
            known[slot] = graph.call_function(
                self.loop.slots[slot].target,  # type: ignore[arg-type]
                tuple(map(value, args)),
                {name: value(item) for name, item in kwargs},
            )
        carried_on = [known[slot] if back == 1 else carried[slot, back - 1] for slot, back in self.given.carried]
        graph.output(tuple([known[slot] for slot, _ in self.stored] + carried_on))
        groups = [self.loop.turns.sequences[index] for index in self.given.sequences]
        return Body(
            GraphModule(torch.nn.Module(), graph),
            tuple(group.axis for group in groups),
            tuple(axis for _, axis in self.stored),
            tuple(carried_name(self.loop.initials[s][-back], self.loop.slots[s]) for s, back in self.given.carried),
        )

    # -- the graph around it -----------------------------------------------------------------------------------------

    def _insert(self, before: Node, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Node:
        return insert(self.graph, before, target, args, self.loop.turns.sequences[0].takes[0], kwargs)

    def _call(self, before: Node, key: str) -> Node:
        frames = [self._sequence(before, index) for index in self.given.sequences]
        initials = [self._initial(before, slot, back) for slot, back in self.given.carried]
        args = (frames, initials, list(self.given.constants), list(self.given.sizes), key)
        if any(source > before for source in [*frames, *initials, *self.given.constants, *self.given.sizes]):
            raise Irregular(before, "it reads what a turn stored before the loop is over")
        return self._insert(before, torch.ops.edgeseq.loop.default, args)

    def _sequence(self, before: Node, index: int) -> Node:
        """The frames that the turns take, as one value."""
        group = self.loop.turns.sequences[index]
        size, end = group.source.meta["val"].shape[group.axis], group.first + len(group.takes)
        if group.first == 0 and end == size:
            return group.source
        last = _TO_THE_END if end == size else end - size
        return self._insert(before, aten.slice.Tensor, (group.source, group.axis, group.first, last))

    def _initial(self, before: Node, slot: int, back: int) -> Node:
        value = self.loop.initials[slot][-back]
        like = self.loop.slots[slot].meta["val"]
        if not isinstance(value, Node):
            kwargs = {"dtype": like.dtype, "device": like.device}
            return self._insert(before, aten.scalar_tensor.default, (value,), kwargs)
        if value.meta["val"].dtype != like.dtype:
            return self._insert(before, aten._to_copy.default, (value,), {"dtype": like.dtype})
        return value

    def _reconnect(self, user: Node) -> None:
        pieces = self._pieces(user)
        if pieces is not None:
            user.replace_all_uses_with(self._stacked(user, pieces))
            self.graph.erase_node(user)
            return
        for source, place in self._read_places(user).items():
            user.replace_input_with(source, self._taken(user, *place))

    def _taken(self, before: Node, slot: int, turn: int) -> Node:
        """What a turn stored, taken back where it is first used."""
        if (slot, turn) not in self._taken_back:
            index = -1 if turn == self.loop.turns.count - 1 and slot not in self._handed_on else turn
            results = self._results[slot, 0] if index != -1 else self._with_initial(before, slot)
            args = (results, 0, index)
            self._taken_back[slot, turn] = self._insert(before, aten.select.int, args)
        return self._taken_back[slot, turn]

    def _with_initial(self, before: Node, slot: int) -> Node:
        """What all turns stored of a slot; where there may be no turn, behind what it is carried from."""
        results, initial = self._results[slot, 0], self.loop.initials.get(slot, {}).get(-1)
        if not isinstance(initial, Node) or min(group.first for group in self.loop.turns.sequences) == 0:
            return results
        first = self._insert(before, aten.unsqueeze.default, (initial, 0))
        return self._insert(before, aten.cat.default, ([first, results], 0))

    def _stacked(self, user: Node, pieces: list[Any]) -> Node:
        axis, parts = self._stack_axis(user), []
        for piece in pieces:
            if isinstance(piece, Node):
                parts.append(self._insert(user, aten.unsqueeze.default, (piece, axis)))
                continue
            whole, rest = self._results[piece.slot, axis], self.loop.turns.count - 1 - piece.last
            if piece.first or rest:
                end = -rest if rest else _TO_THE_END
                whole = self._insert(user, aten.slice.Tensor, (whole, axis, piece.first, end))
            parts.append(whole)
        return parts[0] if len(parts) == 1 else self._insert(user, aten.cat.default, (parts, axis))
