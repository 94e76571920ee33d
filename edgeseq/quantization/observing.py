"""Sums and maxima over everything that passes a value of a graph, kept as states of a stream.

So that what is seen is what streams really carry: states, caches and delays along real trajectories.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from edgeseq.contract import Contract, State
from edgeseq.quantization.nodes import Nodes
from edgeseq.quantization.source import Source
from edgeseq.verification.arrays import Array, Arrays
from edgeseq.verification.streams import Runs

_NUMPY = {ir.DataType.FLOAT: "float32", ir.DataType.DOUBLE: "float64"}


class Observer:
    """A graph with observations added to it. Those of values inside a loop are refused: they see one call only.

    ``nodes`` takes nodes that compute what is to be observed.
    """

    def __init__(self, source: Source, graph: ir.Model, contract: Contract, prologue: ir.Model | None = None) -> None:
        self._source, self._graph, self._contract, self._prologue = source, graph, contract, prologue
        self._names: dict[str, str] = {}
        self._maxima: set[str] = set()
        self.nodes = Nodes(graph, "observed")

    def highest(self, name: str, value: ir.Value) -> bool:
        """Observe the largest magnitude; False where it cannot be seen."""
        self._maxima.add(name)
        return self._observe(name, value, (1,), ir.DataType.FLOAT, self._highest)

    def power(self, name: str, value: ir.Value) -> bool:
        """Observe the sum of squares."""
        return self._observe(name, value, (1,), ir.DataType.DOUBLE, self._power)

    def error(self, name: str, value: ir.Value, other: ir.Value) -> bool:
        """Observe the sum of squares of what two values differ by."""
        if self._inside(value) or self._inside(other):
            return False
        return self.power(name, self.nodes.op("Sub", [value, other]))

    def gram(self, name: str, value: ir.Value, width: int) -> bool:
        """Observe ``x^T x`` of a value whose rows are ``width`` wide."""

        def add(kept: ir.Value, value: ir.Value) -> ir.Value:
            shape = self.nodes.shared(np.array([-1, width], np.int64), f"rows.{width}")
            rows = self.nodes.op("Reshape", [value, shape])
            product = self.nodes.op("MatMul", [self.nodes.op("Transpose", [rows], perm=[1, 0]), rows])
            return self.nodes.op("Add", [kept, product])

        return self._observe(name, value, (width, width), ir.DataType.FLOAT, add)

    def run(self, samples: Iterable[tuple[Arrays, list[int]]]) -> Mapping[str, Array]:
        """What was observed, by name, over streams of these inputs in these chunks."""
        self._graph.graph.extend(self.nodes.made)
        runs = Runs(self._source.run("observed", self._graph, self._contract, self._prologue))
        found: dict[str, Array] = {}
        for inputs, chunks in samples:
            with runs.open(inputs) as stream:
                first = 0
                for size in chunks:
                    stream.step(runs.cut(inputs, first, first + size))
                    first += size
                states = stream.snapshot().states
            for name, state in self._names.items():
                found[name] = self._merged(name, found.get(name), states[state])
        return found

    def _merged(self, name: str, before: Array | None, now: Array) -> Array:
        if before is None:
            return now
        return np.maximum(before, now) if name in self._maxima else before + now

    def _inside(self, value: ir.Value) -> bool:
        return value.graph not in (self._graph.graph, None)

    def _observe(
        self,
        name: str,
        value: ir.Value,
        shape: tuple[int, ...],
        dtype: ir.DataType,
        following: Callable[[ir.Value, ir.Value], ir.Value],
    ) -> bool:
        if self._inside(value):
            return False
        state = f"observed.{len(self._names)}"
        kept = ir.Value(name=state, shape=ir.Shape(shape), type=ir.TensorType(dtype))
        self._graph.graph.inputs.append(kept)
        after = self.nodes.op("Identity", [following(kept, value)])
        after.name, after.shape, after.type = f"{state}.next", ir.Shape(shape), ir.TensorType(dtype)
        self._graph.graph.outputs.append(after)
        added = State(state, state, f"{state}.next", "summary", _NUMPY[dtype], shape)
        self._contract = replace(self._contract, states=(*self._contract.states, added))
        self._names[name] = state
        return True

    def _highest(self, kept: ir.Value, value: ir.Value) -> ir.Value:
        magnitude = self.nodes.op("ReduceMax", [self.nodes.op("Abs", [value])], keepdims=0)
        return self.nodes.op("Max", [kept, magnitude])

    def _power(self, kept: ir.Value, value: ir.Value) -> ir.Value:
        wide = self.nodes.op("Cast", [value], to=ir.DataType.DOUBLE)
        return self.nodes.op("Add", [kept, self.nodes.op("ReduceSumSquare", [wide], keepdims=0)])
