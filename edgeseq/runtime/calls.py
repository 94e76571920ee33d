"""One size of call: its buffers and its two bindings, made once and run many times."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeseq.contract import Contract, Port, resolve_shape
from edgeseq.runtime.devices import Array, Buffer, Device
from edgeseq.runtime.engine import binding_handle, onnxruntime
from edgeseq.runtime.inputs import check_out
from edgeseq.runtime.schedule import frames_of
from edgeseq.runtime.states import States

#: Call sizes whose buffers are kept.
KEPT_SIZES = 4


class Call:
    """Buffers for calls of ``base_frames``, and what runs them: ``handles[side]`` reads the states of ``side``."""

    __slots__ = ("_bindings", "base_frames", "handles", "inputs", "outputs", "repeat")

    def __init__(
        self,
        base_frames: int,
        inputs: dict[str, Buffer],
        outputs: dict[str, Buffer],
        bindings: tuple[Any, Any],
        handles: tuple[Any, Any],
    ) -> None:
        self.base_frames = base_frames
        self.inputs = inputs
        self.outputs = outputs
        self.handles = handles
        self._bindings = bindings
        self.repeat = _repeat(self)


class Repeat:
    """A call on the CPU laid out flat for the fast path of ``Stream.step``: every attribute saved there is some 20 ns.

    ``target``, ``shape`` and ``dtype`` are those of the first input. ``result`` is the array of the only output, None
    where there are several; all are in ``results``.
    """

    __slots__ = ("base_frames", "dtype", "handles", "result", "results", "shape", "target", "targets")

    def __init__(self, call: Call, targets: dict[str, Array], results: dict[str, Array]) -> None:
        self.base_frames = call.base_frames
        self.handles = call.handles
        self.targets = tuple(targets.items())
        self.target = self.targets[0][1]
        self.shape = self.target.shape
        self.dtype = self.target.dtype
        self.results = tuple(results.items())
        self.result = self.results[0][1] if len(results) == 1 else None

    def take(self, given: Mapping[str, Any]) -> bool:
        """Copy the inputs in where all fit; False where the general step must look at them."""
        for name, target in self.targets:
            value = given.get(name)
            if type(value) is not np.ndarray or value.shape != target.shape or value.dtype is not target.dtype:
                return False
        for name, target in self.targets:
            target[...] = given[name]
        return len(given) == len(self.targets)

    def check_out(self, out: object) -> None:
        """ShapeError where ``out`` is no place for the only output."""
        name, result = self.results[0]
        check_out(name, out, result.dtype, result.shape)


def _repeat(call: Call) -> Repeat | None:
    """The flat form of ``call``; None where its buffers lie on another device."""
    targets = {name: buffer.array for name, buffer in call.inputs.items() if buffer.array is not None}
    results = {name: buffer.array for name, buffer in call.outputs.items() if buffer.array is not None}
    if len(targets) < len(call.inputs) or len(results) < len(call.outputs):
        return None
    return Repeat(call, targets, results)


class Calls:
    """The calls of one stream by size, the last few kept."""

    def __init__(
        self,
        contract: Contract,
        device: Device,
        session: Any,
        sizes: Mapping[str, int],
        shared: Mapping[str, Buffer],
        states: States,
    ) -> None:
        """``shared`` are the inputs that are the same for every size: conditioning, constants and controls."""
        self._frame_ports = contract.with_role("frame")
        self._output_ports = contract.with_role("output")
        self._device = device
        self._session = session
        self._sizes = sizes
        self._shared = shared
        self._states = states
        self._kept: OrderedDict[int, Call] = OrderedDict()

    def of(self, base_frames: int) -> Call:
        """The call of this size."""
        call = self._kept.get(base_frames)
        if call is None:
            call = self._kept[base_frames] = self._make(base_frames)
            if len(self._kept) > KEPT_SIZES:
                self._kept.popitem(last=False)
        else:
            self._kept.move_to_end(base_frames)
        return call

    def forget(self) -> None:
        """Drop all calls, for states that have moved."""
        self._kept.clear()

    def _make(self, base_frames: int) -> Call:
        inputs = {port.name: self._buffer(port, base_frames) for port in self._frame_ports}
        outputs = {port.name: self._buffer(port, base_frames) for port in self._output_ports}
        bindings = self._bind(inputs, outputs, 0), self._bind(inputs, outputs, 1)
        handles = binding_handle(self._session, bindings[0]), binding_handle(self._session, bindings[1])
        return Call(base_frames, inputs, outputs, bindings, handles)

    def _buffer(self, port: Port, base_frames: int) -> Buffer:
        shape = resolve_shape(port.shape, {**self._sizes, "time": frames_of(port, base_frames)})
        return self._device.place(np.zeros(shape, dtype=port.dtype))

    def _bind(self, inputs: Mapping[str, Buffer], outputs: Mapping[str, Buffer], side: int) -> Any:
        binding = onnxruntime().IOBinding(self._session)
        for name, buffer in {**inputs, **self._shared}.items():
            binding.bind_ortvalue_input(name, buffer.value)
        for name, buffer in outputs.items():
            binding.bind_ortvalue_output(name, buffer.value)
        self._states.bind(binding, side)
        return binding
