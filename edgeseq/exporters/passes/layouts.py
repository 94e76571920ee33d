"""Transpositions and reshapes are put off until somebody needs them, and then made in as few nodes as they take.

Needs symbolic shapes on the values. A value that such a chain makes is remembered as its source and an arrangement of
the source's axes. Ops that treat all entries of the last axis alike run on the source, where what they give meets
another such op: two chains become one, and often none. Leaves values, not their rounding, as they were.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import RemoveUnusedNodesPass

from edgeseq.exporters.passes.arrangement import Arrangement, Move, identity, shape_of
from edgeseq.exporters.passes.lastwise import Lastwise, constant, lastwise
from edgeseq.exporters.symbols import Size

_LAYOUT = frozenset(["Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity"])


def fold_layouts(model: ir.Model) -> None:
    """Make every chain of transpositions and reshapes in the fewest nodes, after ops that do not mind it."""
    Layouts(model.graph).run()
    RemoveUnusedNodesPass()(model)


class Layouts:
    """One walk over a graph; ``put_off`` holds the values that are not made yet."""

    def __init__(self, graph: ir.Graph) -> None:
        self.graph = graph
        self.put_off: dict[ir.Value, tuple[ir.Value, Arrangement]] = {}
        self._made: dict[tuple[ir.Value, Move], ir.Value] = {}
        self._split: dict[tuple[ir.Value, int], tuple[ir.Value, ...]] = {}
        self._gains: dict[ir.Value, bool] = {}
        for node in reversed(list(graph)):  # users first: a deep network is no deep recursion
            for value in node.outputs:
                self._gains[value] = self._only_rearranged(value)

    def run(self) -> None:
        """Walk over the nodes, then make what the graph returns."""
        for node in list(self.graph):
            if not (self._rearranges(node) or self._picks(node) or self._passes(node)):
                self._supply(node)
        for place, value in enumerate(list(self.graph.outputs)):
            if value in self.put_off:
                self.graph.outputs[place] = self._own(self._make(value, None), value)

    def _own(self, made: ir.Value, value: ir.Value) -> ir.Value:
        """What the graph returns is no input of it, no constant, and not returned twice."""
        if made is value or not (made.is_graph_output() or made.producer() is None):
            return made
        node = ir.node("Identity", [made])
        self.graph.append(node)
        _describe(node.outputs[0], f"{value.name}.own", None, value.dtype)
        node.outputs[0].shape = value.shape
        return node.outputs[0]

    # -- what is put off -------------------------------------------------------------------------------------------

    def _rearranges(self, node: ir.Node) -> bool:
        """Put a transposition or a reshape off."""
        value, result = node.inputs[0] if node.inputs else None, node.outputs[0]
        if not _is(node, _LAYOUT) or value is None:
            return False
        began = self._origin(value)
        if began is not None and value in self.put_off and not self.gains(value):
            began = self._nearer(node, value, began)
        arranged = _arranged_by(node, began[1]) if began is not None else None
        if began is None or arranged is None or (arranged.moves() is None and not self.gains(result)):
            return False
        self.put_off[result] = (began[0], arranged)
        return True

    def _nearer(
        self, node: ir.Node, value: ir.Value, began: tuple[ir.Value, Arrangement]
    ) -> tuple[ir.Value, Arrangement]:
        """Where a value is made for others anyway, a chain may be shorter from there on."""
        arranged = _arranged_by(node, began[1])
        moves = arranged.moves() if arranged is not None else None
        shape = shape_of(value)
        if shape is None or (moves is not None and len(moves) <= 1):
            return began
        return self._make(value, node), identity(shape)

    def _picks(self, node: ir.Node) -> bool:
        """One entry of an axis, where all are picked: the parts of a split, before the axis is made."""
        value = node.inputs[0] if node.inputs else None
        if not _is(node, {"Gather"}) or value not in self.put_off:
            return False
        axis, entries = node.attributes.get_int("axis", 0), _all_picked(value)
        source, arranged = self.put_off[value]
        found = arranged.without(axis) if entries else None
        if found is None or found[1].moves() is None:
            return False
        place, left = found
        count = arranged.shape(arranged.target)[axis]
        if not isinstance(count, int) or len(entries) != count:
            return False
        parts = self._parts(source, place, count, left, node)
        self.put_off[node.outputs[0]] = (parts[_number(node.inputs[1])], left)  # type: ignore[index]
        return True

    def _parts(self, source: ir.Value, place: int, count: int, left: Arrangement, at: ir.Node) -> tuple[ir.Value, ...]:
        if (source, place) not in self._split:
            split = ir.node("Split", [source], {"axis": place, "num_outputs": count}, num_outputs=count)
            self.graph.insert_before(at, split)
            for number, value in enumerate(split.outputs):
                _describe(value, f"{source.name}.part{number}", left.shape(left.source), source.dtype)
            self._split[source, place] = tuple(split.outputs)
        return self._split[source, place]

    def _passes(self, node: ir.Node) -> bool:
        """Run an op that does not mind the arrangement on the source."""
        found = lastwise(node, self.put_off)
        if found is None or not all(self.gains(result) for result in node.outputs):
            return False
        arranged = self.put_off[found.operand][1]
        kept = [self._after(found, result, arranged) for result in node.outputs]
        if any(one is None for one in kept):
            return False
        results = self._emit(found, node)
        for result, made, after in zip(node.outputs, results, kept, strict=True):
            assert after is not None
            _describe(made, f"{result.name}.source", after.shape(after.source), result.dtype)
            self.put_off[result] = (made, after)
        return True

    def _after(self, found: Lastwise, result: ir.Value, arranged: Arrangement) -> Arrangement | None:
        """The arrangement of what the op gives; None where it cannot be put off."""
        shape = shape_of(result)
        if shape is None or (found.last_only and not arranged.keeps_last):
            return None
        after = arranged.with_last(shape[-1]) if found.last_only else arranged
        return after if after.moves() is not None and after.shape(after.target) == shape else None

    def _emit(self, found: Lastwise, node: ir.Node) -> tuple[ir.Value, ...]:
        """The op's nodes on the source; the last one's results."""
        made: tuple[ir.Value, ...] = ()
        for op, extra, attributes in found.nodes:
            inputs = [made[0] if item == "made" else self._source(item) for item in extra]
            fresh = ir.node(op, inputs, attributes, domain=node.domain, num_outputs=len(node.outputs))
            self.graph.insert_before(node, fresh)
            made = tuple(fresh.outputs)
            if op != found.nodes[-1][0]:
                _describe(made[0], f"{node.outputs[0].name}.{op}", None, node.outputs[0].dtype)
        return made

    def _source(self, item: ir.Value | None) -> ir.Value | None:
        if item is None or item in self.put_off:
            return self.put_off[item][0] if item is not None else None
        made = item.producer() is None and item.const_value is not None and item.graph is None
        return self._known(item) if made else item

    def _known(self, value: ir.Value) -> ir.Value:
        """The initializer of this name."""
        assert value.name is not None
        if value.name not in self.graph.initializers:
            self.graph.register_initializer(value)
        return self.graph.initializers[value.name]

    def gains(self, value: ir.Value) -> bool:
        """True where every use of a value rearranges it again, or hands it on to such."""
        return self._gains.get(value, False)

    def _only_rearranged(self, value: ir.Value) -> bool:
        users = [use.node for use in value.uses()]
        return bool(users) and not value.is_graph_output() and all(map(self._wants, users))

    def _wants(self, user: ir.Node) -> bool:
        if user.graph is not self.graph:
            return False
        if _is(user, _LAYOUT) or (_is(user, {"Gather"}) and _all_picked(user.inputs[0])):
            return True
        return lastwise(user, None) is not None and all(self.gains(result) for result in user.outputs)

    # -- what is made ----------------------------------------------------------------------------------------------

    def _supply(self, node: ir.Node) -> None:
        """Give a node its operands, made."""
        for place, value in enumerate(node.inputs):
            if value in self.put_off:
                node.replace_input_with(place, self._make(value, node))

    def _make(self, value: ir.Value, at: ir.Node | None) -> ir.Value:
        """The value, by the nodes that its arrangement takes, before ``at`` or at the end of the graph.

        By its own nodes where the arrangement would need sizes of the call.
        """
        source, arranged = self.put_off[value]
        moves = arranged.moves()
        if moves is None:
            return value
        for number, move in enumerate(moves):
            if (source, move) not in self._made:
                made = self._moved(source, move, at)
                own = number == len(moves) - 1
                _describe(made, f"{value.name}.made" + ("" if own else f".{number}"), None, value.dtype)
                if own:
                    made.shape = value.shape
                self._made[source, move] = made
            source = self._made[source, move]
        return source

    def _moved(self, source: ir.Value, move: Move, at: ir.Node | None) -> ir.Value:
        op, given = move
        if op == "Transpose":
            node = ir.node(op, [source], {"perm": list(given)})
        else:
            node = ir.node(op, [source, self._numbers(given)])
        if at is None:
            self.graph.append(node)
        else:
            self.graph.insert_before(at, node)
        return node.outputs[0]

    def _numbers(self, given: tuple[int, ...]) -> ir.Value:
        return self._known(constant("numbers." + ".".join(map(str, given)), np.array(given, dtype=np.int64)))

    def _origin(self, value: ir.Value) -> tuple[ir.Value, Arrangement] | None:
        if value in self.put_off:
            return self.put_off[value]
        shape = shape_of(value)
        return None if shape is None else (value, identity(shape))


def _arranged_by(node: ir.Node, arranged: Arrangement) -> Arrangement | None:
    if node.op_type == "Transpose":
        places = node.attributes.get_ints("perm", tuple(reversed(range(len(arranged.target)))))
        return arranged.transposed(list(places))
    shape = shape_of(node.outputs[0])
    return None if shape is None else arranged.reshaped(shape)


def _is(node: ir.Node, ops: set[str] | frozenset[str]) -> bool:
    return node.domain in ("", "ai.onnx") and node.op_type in ops


def _all_picked(value: ir.Value | None) -> set[int]:
    """The entries that are picked of one axis, where nothing else is done to the value; else none."""
    users = [use.node for use in value.uses()] if value is not None else []
    axes = {user.attributes.get_int("axis", 0) for user in users if _is(user, {"Gather"})}
    numbers = [_number(user.inputs[1]) if _is(user, {"Gather"}) else None for user in users]
    if len(axes) != 1 or None in numbers or any(number is not None and number < 0 for number in numbers):
        return set()
    return {number for number in numbers if number is not None}


def _number(value: ir.Value | None) -> int | None:
    """A scalar that is known."""
    if value is None or value.const_value is None or value.const_value.size != 1 or value.const_value.shape.rank():
        return None
    return int(value.const_value.numpy())


def _describe(value: ir.Value, name: str, shape: tuple[Size, ...] | None, dtype: ir.DataType | None) -> None:
    value.name = name
    value.shape = None if shape is None else ir.Shape([size if isinstance(size, int) else str(size) for size in shape])
    value.type = None if dtype is None else ir.TensorType(dtype)
