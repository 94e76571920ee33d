"""The nodes of a graph that hold weights: which of them can be quantized, and why the others cannot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
import onnx_ir as ir

from edgeseq.quantization.cells import Layer, layer_of
from edgeseq.quantization.convolutions import Convolution, convolution_of
from edgeseq.quantization.nodes import Nodes, array_of, weight_of
from edgeseq.verification.arrays import Array

SiteKind: TypeAlias = Literal["linear", "gru", "lstm", "rnn", "embedding", "conv", "other"]
#: Weights with fewer elements are not worth a node.
LEAST = 1024
_RECURRENT: dict[str, SiteKind] = {"GRU": "gru", "LSTM": "lstm", "RNN": "rnn"}


@dataclass(frozen=True)
class Site:
    """A node whose weights can be quantized; ``weights`` are the values that hold them.

    ``matrix`` ``[outputs, inputs]`` is a linear layer's, ``table`` ``[entries, width]`` an embedding's, ``layer`` a
    recurrent one, ``convolution`` one. A site with none of them can be stored in fewer bits, not computed. ``tied`` is
    the linear layer that has a table's weights.
    """

    name: str
    kind: SiteKind
    node: ir.Node
    weights: tuple[ir.Value, ...]
    matrix: Array | None = None
    layer: Layer | None = None
    table: Array | None = None
    convolution: Convolution | None = None
    tied: str | None = None

    def factors(self, nodes: Nodes) -> dict[str, ir.Value]:
        """What the site's matrices are multiplied by, by the name of the product: ``SITE.product``, ``SITE.state``.

        ``nodes`` takes the nodes that compute it where it is no value of the graph.
        """
        if self.convolution is not None:
            return {f"{self.name}.product": self.convolution.windows(nodes)} if self.convolution.plain else {}
        return self.ends()

    def ends(self) -> dict[str, ir.Value]:
        """The values whose range fixed scales are made of, by the name under which calibration sees them."""
        if self.layer is not None:
            return {f"{self.name}.{name}": value for name, value in self.layer.factors().items()}
        x = self.node.inputs[0]
        if x is None or self.table is not None:
            return {}
        if self.convolution is not None:
            return {f"{self.name}.input": x, f"{self.name}.output": self.node.outputs[0]}
        return {f"{self.name}.product": x}

    def inputs(self, factor: str) -> int:
        """How many numbers wide the rows of a factor are."""
        if self.layer is not None:
            return self.layer.inputs(factor.rpartition(".")[2])
        matrix = self.matrix if self.convolution is None else self.convolution.matrix
        assert matrix is not None
        return int(matrix.shape[1])

    @property
    def bytes(self) -> int:
        """Bytes of the weights as they are."""
        return sum(_bytes(value) for value in self.weights)

    @property
    def largest(self) -> float:
        """The largest magnitude of its weights."""
        arrays = [array_of(value) for value in self.weights]
        return max(float(np.abs(array).max()) for array in arrays if array is not None)


@dataclass(frozen=True)
class Left:
    """A node with weights that stays in float, and why."""

    name: str
    op: str
    bytes: int
    why: str


def find_sites(model: ir.Model, others: Iterable[str] = ()) -> tuple[list[Site], list[Left]]:
    """All nodes with weights, in the order of the graph, names told apart, from those of ``others`` too."""
    sites: list[Site] = []
    left: list[Left] = []
    names = set(others)
    whole = list(ir.traversal.RecursiveGraphIterator(model.graph))
    taken = {id(part) for node in whole if node.op_type in _RECURRENT for part in _around(node)}
    for node in whole:
        found = None if id(node) in taken else _site(node, names)
        if isinstance(found, Site):
            sites.append(found)
        elif found is not None:
            left.append(found)
    linear = {id(site.weights[0]): site.name for site in sites if site.kind == "linear"}
    tied = [site if site.table is None else replace(site, tied=linear.get(id(site.weights[0]))) for site in sites]
    return tied, left


def names_in(model: ir.Model) -> set[str]:
    """The names of all nodes with weights."""
    return {each.name for found in find_sites(model) for each in found}


def _site(node: ir.Node, names: set[str]) -> Site | Left | None:
    if node.op_type == "Transpose":
        return None  # what it transposes belongs to who reads it
    held = [each[1] for each in map(weight_of, node.inputs) if each is not None]
    weights = tuple(value for value in held if _heavy(value))
    if not weights:
        return None
    name = _told_apart(_name(node, weights[0]), names)
    if not all(np.isfinite(array).all() for value in weights if (array := array_of(value)) is not None):
        return Left(name, node.op_type, _held(weights), "its weights hold NaN or infinities")
    found = _FINDERS.get(node.op_type, _unknown)(node, name) if node.domain == "" else _unknown(node, name)
    if isinstance(found, str):
        return Left(name, node.op_type, _held(weights), found)
    return found


def _around(node: ir.Node) -> tuple[ir.Node, ...]:
    """The nodes that belong to a recurrent one."""
    layer = layer_of(node)
    return layer.projection.nodes if isinstance(layer, Layer) and layer.projection is not None else ()


def _recurrent(node: ir.Node, name: str) -> Site | str:
    layer = layer_of(node)
    if isinstance(layer, str):
        return layer
    weights = tuple(value for value in node.inputs[1:3] if value is not None)
    return Site(name, _RECURRENT[node.op_type], node, weights, layer=layer)


def _matmul(node: ir.Node, name: str) -> Site | str:
    found = weight_of(node.inputs[1])
    if found is None:
        return "its weights stand on the left of the product"
    array, weight = found
    if array.ndim > 2 and any(size != 1 for size in array.shape[:-2]):
        return "it is a batch of matrices"
    x = node.inputs[0]
    if array.ndim > 2 and (x is None or x.shape is None or len(x.shape) < array.ndim):
        return "its weights have more axes than what they multiply"
    return Site(name, "linear", node, (weight,), array.reshape(array.shape[-2:]).T)


def _gemm(node: ir.Node, name: str) -> Site | str:
    found = weight_of(node.inputs[1])
    if found is None:
        return "its weights stand on the left of the product"
    array, weight = found
    scaled = any(node.attributes.get_float(key, 1.0) != 1.0 for key in ("alpha", "beta"))
    if scaled or node.attributes.get_int("transA", 0) == 1:
        return "it scales or transposes what it multiplies"
    return Site(name, "linear", node, (weight,), array if node.attributes.get_int("transB", 0) else array.T)


def _gather(node: ir.Node, name: str) -> Site | str:
    table, axis = array_of(node.inputs[0]), node.attributes.get_int("axis", 0)
    if table is None or node.inputs[0] is None or axis != 0 or table.ndim != 2:
        return "it is no table of rows"
    return Site(name, "embedding", node, (node.inputs[0],), table=table)


def _convolution(node: ir.Node, name: str) -> Site | str:
    found = convolution_of(node)
    if isinstance(found, str) or node.inputs[1] is None:
        return str(found)
    return Site(name, "conv", node, (node.inputs[1],), convolution=found)


def _unknown(node: ir.Node, name: str) -> Site | str:
    return Site(name, "other", node, tuple(value for value in node.inputs if value is not None and _heavy(value)))


_FINDERS = {
    "GRU": _recurrent,
    "LSTM": _recurrent,
    "RNN": _recurrent,
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Gather": _gather,
    "Conv": _convolution,
}


def _heavy(value: ir.Value) -> bool:
    tensor = value.const_value
    if tensor is None or tensor.dtype != ir.DataType.FLOAT or tensor.size < LEAST:
        return False
    return sum(size != 1 for size in tensor.shape.numpy()) > 1


def _held(values: Iterable[ir.Value]) -> int:
    return sum(_bytes(value) for value in dict.fromkeys(values))


def _bytes(value: ir.Value) -> int:
    return 0 if value.const_value is None else value.const_value.nbytes


def _name(node: ir.Node, heaviest: ir.Value) -> str:
    """What a user calls it: the module of its weights, or of a recurrent node's state; else the node's name."""
    layer = layer_of(node) if node.op_type in _RECURRENT else None
    if isinstance(layer, Layer) and str(layer.initial[0].name).endswith(".h"):
        return str(layer.initial[0].name).removesuffix(".h")
    weight = str(heaviest.name)
    if weight.startswith("constants.model."):
        parts = weight.removeprefix("constants.model.").split(".")
        return ".".join(part.removeprefix("_") if part[1:].isdigit() else part for part in parts).removesuffix(
            ".weight"
        )
    return str(node.name or node.outputs[0].name)


def _told_apart(name: str, taken: set[str]) -> str:
    told, number = name, 1
    while told in taken:
        number += 1
        told = f"{name}#{number}"
    taken.add(told)
    return told
