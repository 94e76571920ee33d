"""Building nodes in place of others: op by op, constants by name, subgraphs included."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from edgeseq.verification.arrays import Array

MICROSOFT = "com.microsoft"
#: Bytes from which an array is looked for among those that are there.
_SHARED = 1024


class Nodes:
    """Nodes made one after another, their names beginning with ``prefix``; constants go to ``model``'s graph.

    ``made`` holds them in order, to be put into a graph by :meth:`place`. ``part`` tells apart those of a subgraph.
    """

    def __init__(self, model: ir.Model, prefix: str, part: str = "") -> None:
        self.model, self.prefix, self.part = model, prefix, part
        self.made: list[ir.Node] = []

    def op(self, kind: str, inputs: Sequence[ir.Value | None], domain: str = "", **attributes: Any) -> ir.Value:
        """The only result of a new node."""
        return self.several(kind, inputs, 1, domain, **attributes)[0]

    def several(
        self, kind: str, inputs: Sequence[ir.Value | None], results: int, domain: str = "", **attributes: Any
    ) -> Sequence[ir.Value]:
        """The results of a new node."""
        name = "/".join(filter(None, (self.prefix, self.part, f"{kind}.{len(self.made)}")))
        node = ir.node(kind, inputs, attributes=attributes, domain=domain, num_outputs=results, name=name)
        for index, value in enumerate(node.outputs):
            value.name = f"{name}:{index}"
        if domain:
            self.model.graph.opset_imports.setdefault(domain, 1)
        self.made.append(node)
        return node.outputs

    def constant(self, array: Array | np.generic, name: str) -> ir.Value:
        """An initializer of this array, under this name or that of one that is there already with the same array.

        A matrix that several nodes share is so stored once in fewer bits too.
        """
        whole = f"{self.prefix}.{name}"
        known = self.model.graph.initializers.get(whole)
        if known is not None:
            assert np.array_equal(known.const_value.numpy(), array), f"two constants are called {whole}"  # type: ignore[union-attr]
            return known
        # numpy makes a vector of one out of a scalar that it is asked to lay out.
        content = np.ascontiguousarray(array) if np.ndim(array) else np.asarray(array)
        if content.nbytes < _SHARED:
            return self._registered(content, whole)
        made = self.model.meta.setdefault("edgeseq.constants", {})
        key = (content.dtype, content.shape, hashlib.blake2b(content.tobytes()).digest())
        if key not in made:
            made[key] = self._registered(content, whole)
        return made[key]  # type: ignore[no-any-return]

    def _registered(self, content: Array, whole: str) -> ir.Value:
        tensor = ir.tensor(content, name=whole)
        kind = ir.TensorType(tensor.dtype)
        value = ir.Value(name=whole, shape=ir.Shape(content.shape), type=kind, const_value=tensor)
        self.model.graph.register_initializer(value)
        return value

    def shared(self, array: Array | np.generic, name: str) -> ir.Value:
        """A constant that all of the model shares, such as the number 1."""
        return Nodes(self.model, "quantization").constant(array, name)

    def axes(self, *axes: int) -> ir.Value:
        """A vector of axes."""
        return self.shared(np.array(axes, np.int64), "axes." + ".".join(map(str, axes)))

    def split(self, value: ir.Value, sizes: Sequence[int]) -> Sequence[ir.Value]:
        """A value cut along its last axis."""
        lengths = self.shared(np.array(sizes, np.int64), "split." + ".".join(map(str, sizes)))
        return self.several("Split", [value, lengths], len(sizes), axis=-1)

    def place(self, node: ir.Node, results: Sequence[tuple[ir.Value, ir.Value]]) -> None:
        """Put what was made in front of ``node``, and each second value in the place of the first."""
        graph = node.graph
        assert graph is not None
        graph.insert_before(node, self.made)
        for old, new in results:
            name = old.name
            new.shape, new.type = old.shape, old.type
            ir.convenience.replace_all_uses_with(old, new, replace_graph_outputs=True)
            old.name = f"{name}.float"
            new.name = name


def weight_of(value: ir.Value | None) -> tuple[Array, ir.Value] | None:
    """The array that a value always is, and the initializer that holds it, itself or as a matrix to be transposed."""
    node = None if value is None else value.producer()
    if node is not None and node.op_type == "Transpose" and list(node.attributes.get_ints("perm") or ()) == [1, 0]:
        found = weight_of(node.inputs[0])
        return None if found is None else (found[0].T, found[1])
    array = array_of(value)
    return None if array is None or value is None else (array, value)


def array_of(value: ir.Value | None) -> Array | None:
    """The array of an initializer; None for any other value."""
    if value is None or value.const_value is None:
        return None
    return value.const_value.numpy()
