"""What one step has to do at the least: bytes to read and multiply-adds, told from the file alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeseq.contract import Contract, axis_parts
from edgeseq.modelgraph import Graph, Tensor, read_graph
from edgeseq.runtime.loading import Described
from edgeseq.structure import Cost, total

#: Operators that read some rows of a table, not all of it.
LOOKUPS = frozenset({"Gather", "GatherElements", "GatherND", "GatherBlockQuantized"})
#: Operators that multiply whole numbers. Where one is there, the peak of whole numbers is the one that limits.
INTEGER_OPS = frozenset(
    {
        "MatMulInteger",
        "MatMulIntegerToFloat",
        "MatMulNBits",
        "DynamicQuantizeMatMul",
        "DynamicQuantizeLSTM",
        "QLinearMatMul",
        "QLinearConv",
        "QGemm",
        "ConvInteger",
        "QAttention",
    }
)


@dataclass(frozen=True)
class Step:
    """Which step: ``batch`` streams, each with ``position`` base frames behind it, take ``frames`` at once."""

    position: int = 0
    batch: int = 1
    frames: int = 1


@dataclass(frozen=True)
class Work:
    """What one step has to do. ``source`` says where the figures are from.

    Weights are read once in a call, however many streams and frames it serves; states and cached entries once for each
    stream; what is written is not counted. ``integers``: some products are of whole numbers.
    """

    weight_bytes: int
    state_bytes: int
    multiply_adds: int
    integers: bool
    source: str

    @property
    def bytes(self) -> int:
        """All that is read."""
        return self.weight_bytes + self.state_bytes


def work_of(described: Described, step: Step) -> Work:
    """The work of one step of a file.

    The contract's modules are the best source. A file whose graph is not the one that they were counted on (it holds
    fewer bytes, or was changed), an adopted or an older one is counted by its weights: each element of a matrix takes
    part in one multiply-add per frame, each cached element in one per stream and frame. That is less than there is to
    do where weights are used more than once, as in a convolution over a picture, and so it stays a floor. In a window
    it takes part for every frame of the window.
    """
    graph = read_graph(described.file.path)
    contract = described.contract
    cached, state_bytes = _states(contract, step)
    calls = step.batch * step.frames / contract.chunk.multiple
    cost = total(contract.modules)
    weights, source = _weights(cost, contract)
    adds = (cost.multiply_adds + cost.multiply_adds_per_context * step.position) * calls
    held = sum(tensor.bytes for tensor in graph.weights.values())
    if not contract.modules or contract.digest != described.file.digest or weights > held:
        weights, elements = _counted(graph, step)
        source, adds = "the sizes of the file's weights", elements * _computed(contract, step) + cached * step.frames
    integers = any(node.op in INTEGER_OPS for node in graph.nodes)
    return Work(weights, state_bytes, round(adds), integers, source)


def _computed(contract: Contract, step: Step) -> float:
    """Frames that a step computes, of all streams: a window runs its last frames again at each hop."""
    mode = contract.mode
    again = (mode["frames"] + mode["lookahead"]) / mode["hop"] if mode.get("name") == "window" else 1
    return step.batch * step.frames * float(again)


def _weights(cost: Cost, contract: Contract) -> tuple[int, str]:
    """Bytes of weights that a step reads. What quantization made of a table is left out: a step reads rows of it."""
    nodes: list[dict[str, Any]] = (contract.quantization or {}).get("nodes", [])
    if not nodes:
        return cost.weight_bytes, "the contract"
    saved = sum(node["bytes_before"] - node["bytes_after"] for node in nodes if node["kind"] != "embedding")
    least = sum(node["bytes_after"] for node in nodes if node["kind"] != "embedding")
    return max(least, cost.weight_bytes - saved), "the contract and its report on quantization"


def _states(contract: Contract, step: Step) -> tuple[int, int]:
    """Cached elements, and the bytes of all states, as they are read in one step."""
    cached = read = 0
    for state in contract.states:
        sizes = {"batch": step.batch, "capacity": math.ceil(step.position * state.ratio)}
        axes = [(1, axis) if isinstance(axis, int) else _sized(axis, sizes) for axis in state.shape]
        elements = math.prod(times * size for times, size in axes)
        read += elements * np.dtype(state.dtype).itemsize
        cached += elements if any("capacity" in str(axis) for axis in state.shape) else 0
    return cached, read


def _sized(axis: str, sizes: dict[str, int]) -> tuple[int, int]:
    """Factor and size of a named axis, 1 where nothing says it."""
    times, name = axis_parts(axis)
    return times, sizes.get(name, 1)


def _counted(graph: Graph, step: Step) -> tuple[int, int]:
    """Bytes of weights that a step reads, and elements of matrices, from the graph alone."""
    rows = step.batch * step.frames
    read, elements = 0.0, 0.0
    for tensor, uses in _used(graph):
        if not uses <= LOOKUPS:
            read += tensor.bytes
            elements += tensor.elements * _packed(graph, tensor) if len(tensor.shape) > 1 else 0
        elif tensor.shape and tensor.shape[0]:
            read += min(tensor.bytes, rows * tensor.bytes / tensor.shape[0])
    return round(read), round(elements)


def _used(graph: Graph) -> Iterator[tuple[Tensor, set[str]]]:
    """Every weight that a node reads, with the operators that read it; parts of a table, cut out, are left out."""
    users: dict[str, set[str]] = {}
    for node in graph.nodes:
        for name in node.inputs:
            users.setdefault(name, set()).add(node.op)
    for name, tensor in graph.weights.items():
        ops = users.get(name, set()) - {"Slice", "Shape"}
        if ops:
            yield tensor, ops


def _packed(graph: Graph, tensor: Tensor) -> int:
    """How many weights one element of a tensor holds: MatMulNBits packs several of few bits into a byte."""
    for node in graph.nodes:
        if node.op == "MatMulNBits" and len(node.inputs) > 1 and node.inputs[1] == tensor.name:
            return max(1, 8 // max(1, node.integers.get("bits", 4)))
    return 1
