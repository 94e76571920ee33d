"""The nodes of an ONNX file and the sizes of its weights, read without any ONNX library. Standard library only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

from edgeseq.errors import ModelFileError
from edgeseq.wire import BYTES, VARINT, damaged, fields_of, read_varint

#: Bits of an element by TensorProto.DataType; texts have none.
BITS = {
    **dict.fromkeys((1, 6, 12), 32),
    **dict.fromkeys((2, 3, 9, 17, 18, 19, 20, 24), 8),
    **dict.fromkeys((4, 5, 10, 16), 16),
    **dict.fromkeys((7, 11, 13, 14), 64),
    **dict.fromkeys((21, 22, 23), 4),
    **dict.fromkeys((25, 26), 2),
    15: 128,
}
_DEEPEST = 64
_GRAPH = 7


@dataclass(frozen=True)
class Node:
    """A node: name, operator, and the names of its inputs and outputs; ``integers`` are its whole-number attributes."""

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    integers: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Tensor:
    """The shape and type of a weight: ``bits`` of each element, 0 where they are texts."""

    name: str
    shape: tuple[int, ...]
    bits: int

    @property
    def elements(self) -> int:
        """How many there are."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        """What all of them take, packed where several share a byte."""
        return -(-self.elements * self.bits // 8)


@dataclass
class Graph:
    """The nodes of a file, those of graphs within nodes behind the node, and its weights by name."""

    nodes: list[Node] = field(default_factory=list)
    weights: dict[str, Tensor] = field(default_factory=dict)


def read_graph(path: str | os.PathLike[str]) -> Graph:
    """The graph of the file at ``path``; ModelFileError where it is not a whole ONNX file or cannot be read."""
    where = Path(path)
    try:
        data = where.read_bytes()
    except OSError as error:
        raise ModelFileError("cannot read the model", where=str(where), why=error.strerror) from None
    found = Graph()
    for number, wire, first, last in fields_of(data, 0, len(data), where):
        if number == _GRAPH and wire == BYTES:
            _Reader(data, where, found).graph(first, last, 0)
    return found


class _Reader:
    """Goes through the messages of one file and adds to ``found``."""

    def __init__(self, data: bytes, path: Path, found: Graph) -> None:
        self._data = data
        self._path = path
        self._found = found

    def graph(self, first: int, last: int, depth: int) -> None:
        """A GraphProto: node 1, initializer 5."""
        if depth > _DEEPEST:
            raise damaged(self._path, f"its graphs are nested more than {_DEEPEST} deep")
        for number, begin, end in self._parts(first, last):
            if number == 1:
                self._node(begin, end, depth)
            elif number == 5:
                tensor = self._tensor(begin, end)
                self._found.weights[tensor.name] = tensor

    def _node(self, first: int, last: int, depth: int) -> None:
        """A NodeProto: input 1, output 2, name 3, op_type 4, attribute 5."""
        parts = list(self._parts(first, last))
        texts = {
            kind: [self._text(begin, end) for number, begin, end in parts if number == kind] for kind in range(1, 5)
        }
        node = Node("".join(texts[3][-1:]), "".join(texts[4][-1:]), tuple(texts[1]), tuple(texts[2]))
        self._found.nodes.append(node)
        for number, begin, end in parts:
            if number == 5:
                self._attribute(node, begin, end, depth)

    def _attribute(self, node: Node, first: int, last: int, depth: int) -> None:
        """An AttributeProto: name 1, i 3, t 5, g 6, graphs 11. The value of a Constant is a weight as any other."""
        parts = list(self._parts(first, last))
        name = "".join(self._text(begin, end) for number, begin, end in parts if number == 1)
        for number, begin, end in parts:
            if number in (6, 11):
                self.graph(begin, end, depth + 1)
            elif number == 5 and node.op == "Constant" and node.outputs:
                tensor = self._tensor(begin, end)
                self._found.weights[node.outputs[0]] = Tensor(node.outputs[0], tensor.shape, tensor.bits)
        for number, wire, begin, end in fields_of(self._data, first, last, self._path):
            if (number, wire) == (3, VARINT):
                node.integers[name] = self._number(begin, end)

    def _tensor(self, first: int, last: int) -> Tensor:
        """A TensorProto: dims 1 (one by one, or packed), data_type 2, name 8."""
        shape, kind, name = list[int](), 0, ""
        for number, wire, begin, end in fields_of(self._data, first, last, self._path):
            if (number, wire) == (1, VARINT):
                shape.append(self._number(begin, end))
            elif (number, wire) == (1, BYTES):
                shape += self._packed(begin, end)
            elif (number, wire) == (2, VARINT):
                kind = self._number(begin, end)
            elif (number, wire) == (8, BYTES):
                name = self._text(begin, end)
        return Tensor(name, tuple(shape), BITS.get(kind, 0))

    def _parts(self, first: int, last: int) -> Iterator[tuple[int, int, int]]:
        for number, wire, begin, end in fields_of(self._data, first, last, self._path):
            if wire == BYTES:
                yield number, begin, end

    def _packed(self, first: int, last: int) -> Iterator[int]:
        while first < last:
            value, first = read_varint(self._data, first, last, self._path)
            yield value

    def _number(self, first: int, last: int) -> int:
        return read_varint(self._data, first, last, self._path)[0]

    def _text(self, first: int, last: int) -> str:
        return self._data[first:last].decode(errors="replace")
