"""The nodes that ``Window`` puts around a whole-sequence graph: past, chunk and counts in, the new frames out.

One call, with N the base frames before it, in a graph without filler (``window_sizes`` has the arithmetic)::

    history, chunk -> Concat -> Slice -> the model -> the last hop frames
                 \\-> the last frames -> history.next

A stream whose end may lie inside a call counts: ``end = N + min(remaining, hop)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from edgeseq.contract import Contract, Port
from edgeseq.exporters.lowering import axes_of
from edgeseq.exporters.modes.window_sizes import Windows, filler, history

_LAST = 2**62


class Around:
    """Puts the windowing around a model whose ends are named as the contract has them."""

    def __init__(self, model: ir.Model, contract: Contract, windows: Windows) -> None:
        self.graph = model.graph
        self.contract, self.windows = contract, windows
        self.past = history(contract, windows)
        self.nodes: list[ir.Node] = []
        self.made = 0
        self.counted = filler(contract) > 0

    def put(self) -> None:
        """Change the graph's inputs and outputs to those of one call."""
        outputs = list(self.graph.outputs)
        values = {str(value.name): value for value in self.graph.inputs}
        position = self._input("window.position", "int64", (1,))
        end = self._end(position)
        start = self._start(end)
        offset = self._op("Sub", self._number(self.past), position)  # of a base frame in history and chunk
        bounds = self._op("Add", start, offset), self._op("Add", end, offset)
        pasts = {}
        frames = {}
        for port in self.contract.with_role("frame"):
            frames[port.name], pasts[port.name] = self._cut(port, values[port.name], bounds)
        first = self.nodes
        self.nodes = []
        given = [
            self._given(port, value, position, start) for port, value in zip(self._outputs(), outputs, strict=True)
        ]
        self._finish(first, position, frames, pasts, given)

    def _outputs(self) -> tuple[Port, ...]:
        return self.contract.with_role("output")

    def _end(self, position: ir.Value) -> ir.Value:
        """Real frames once this call's are there: int64[1]."""
        hop = self._number(self.windows.hop)
        if not self.counted:
            return self._op("Add", position, hop)
        rows = self.contract.with_role("control")[0].shape
        self.remaining = self._input("remaining", "int64", rows)
        left = self._op("Slice", self.remaining, self._number(0), self._number(1), self._number(0))
        return self._op("Add", position, self._op("Min", left, hop))

    def _start(self, end: ir.Value) -> ir.Value:
        windows = self.windows
        zero, step = self._number(0), self._number(windows.step)
        start = self._op("Max", self._op("Sub", end, self._number(windows.frames)), zero)
        missing = (
            self._op("Max", self._op("Sub", self._number(windows.least), end), zero) if windows.least > 1 else None
        )
        if windows.step > 1:
            start = self._rounded_up(start, step)
            missing = missing and self._rounded_up(missing, step)
        return start if missing is None else self._op("Sub", start, missing)

    def _rounded_up(self, count: ir.Value, step: ir.Value) -> ir.Value:
        """A count from 0 as a multiple of ``step``."""
        more = self._op("Add", count, self._number(self.windows.step - 1))
        return self._op("Mul", self._op("Div", more, step), step)

    def _cut(
        self, port: Port, value: ir.Value, bounds: tuple[ir.Value, ir.Value]
    ) -> tuple[ir.Value, tuple[ir.Value, ir.Value] | None]:
        """The chunk, which takes the place of a whole sequence among the inputs, and the history's two ends."""
        axis, ratio = port.time_axis or 0, self._number(int(port.ratio))
        chunk = self._input(port.name, port.dtype, axes_of(port))
        joined, ends = chunk, None
        if self.past:
            state = self.contract.states[[state.name for state in self.contract.states].index(f"{port.name}.window")]
            before = self._input(state.input, state.dtype, state.shape)
            joined = self._op("Concat", before, chunk, axis=axis)
            last = self._number(-self.past * int(port.ratio)), self._number(_LAST), self._number(axis)
            after = self._op("Slice", joined, *last, name=state.output)
            after.shape, after.type = before.shape, before.type
            ends = before, after
        scaled = bounds if port.ratio == 1 else tuple(self._op("Mul", bound, ratio) for bound in bounds)
        window = self._op("Slice", joined, *scaled, self._number(axis))
        value.name = f"{port.name}.whole"
        ir.convenience.replace_all_uses_with(value, window)
        return chunk, ends

    def _given(self, port: Port, whole: ir.Value, position: ir.Value, start: ir.Value) -> ir.Value:
        """The frames of an output that this call gives; the value itself of one without a time axis."""
        name = str(whole.name)
        if port.time_axis is None or port.length is None:
            return whole
        whole.name = f"{name}.whole"
        axis, count = port.time_axis, int(self.windows.hop * port.ratio)
        if not self.counted and port.delay == 0 and set(port.length.at) == {0}:
            made = self._op("Slice", whole, self._number(-count), self._number(_LAST), self._number(axis), name=name)
        else:
            made = self._op("Gather", whole, self._places(port, whole, position, start), axis=axis, name=name)
        made.shape, made.type = ir.Shape(list(axes_of(port))), whole.type
        return made

    def _places(self, port: Port, whole: ir.Value, position: ir.Value, start: ir.Value) -> ir.Value:
        """Where in the window's output the frames from ``position * ratio - delay`` on are, kept inside it."""
        ratio, zero, one = port.ratio, self._number(0), self._number(1)
        passed = self._op("Sub", position, start)
        if ratio.numerator > 1:
            passed = self._op("Mul", passed, self._number(ratio.numerator))
        if ratio.denominator > 1:
            passed = self._op("Div", passed, self._number(ratio.denominator))
        count = np.arange(int(self.windows.hop * ratio), dtype=np.int64) - port.delay
        places = self._op("Add", self._constant(count), passed)
        length = self._op("Shape", whole, start=port.time_axis, end=(port.time_axis or 0) + 1)
        return self._op("Max", self._op("Min", places, self._op("Sub", length, one)), zero)

    def _finish(
        self,
        first: list[ir.Node],
        position: ir.Value,
        frames: dict[str, ir.Value],
        pasts: dict[str, tuple[ir.Value, ir.Value] | None],
        given: list[ir.Value],
    ) -> None:
        """Put the nodes in and give the graph its new ends, in the contract's order."""
        hop = self._number(self.windows.hop)
        after = self._op("Add", position, hop, name="window.position.next")
        after.shape, after.type = position.shape, position.type
        before = list(self.graph)
        if before:
            self.graph.insert_before(before[0], first)
        else:
            self.graph.extend(first)
        self.graph.extend(self.nodes)
        conditioning = [value for value in self.graph.inputs if not str(value.name).endswith(".whole")]
        ends = [pair for pair in pasts.values() if pair is not None]
        inputs = [*frames.values(), *conditioning, *(pair[0] for pair in ends), position]
        if self.counted:
            inputs.append(self.remaining)
        self.graph.inputs[:] = inputs
        self.graph.outputs[:] = [*given, *(pair[1] for pair in ends), after]

    def _input(self, name: str, dtype: str, shape: Sequence[Any]) -> ir.Value:
        kind = ir.TensorType(ir.DataType[_KINDS.get(dtype, dtype.upper())])
        return ir.Value(name=name, shape=ir.Shape(list(shape)), type=kind)

    def _op(self, op_type: str, *inputs: ir.Value, name: str | None = None, **attributes: Any) -> ir.Value:
        made = ir.node(op_type, list(inputs), attributes=attributes or None, name=None)
        self.nodes.append(made)
        self.made += 1
        made.outputs[0].name = name or f"window.{op_type}.{self.made}"
        return made.outputs[0]

    def _number(self, value: int) -> ir.Value:
        return self._constant(np.array([value], np.int64))

    def _constant(self, array: np.ndarray[Any, Any]) -> ir.Value:
        name = f"window.{'_'.join(map(str, array[:2]))}.{len(array)}"
        if name in self.graph.initializers:
            return self.graph.initializers[name]
        tensor = ir.tensor(array, name=name)
        value = ir.Value(name=name, shape=ir.Shape(array.shape), type=ir.TensorType(tensor.dtype), const_value=tensor)
        self.graph.initializers[name] = value
        return value


_KINDS = {"float32": "FLOAT", "float64": "DOUBLE"}
