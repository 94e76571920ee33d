"""One size of call: its buffers and its two bindings, made once and run many times."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeseq.contract import Port, resolve_shape
from edgeseq.runtime.capture import Captured
from edgeseq.runtime.devices import Array, Buffer
from edgeseq.runtime.engine import binding_handle, onnxruntime
from edgeseq.runtime.opening import Opening
from edgeseq.runtime.overlap import Overlaps
from edgeseq.runtime.repeat import Repeat, repeat_of
from edgeseq.runtime.schedule import frames_in_call
from edgeseq.runtime.states import States, zeros
from edgeseq.runtime.transfers import Transfer

#: Call sizes whose buffers are kept.
KEPT_SIZES = 4


class Call:
    """Buffers for calls of ``base_frames``, and what runs them: ``handles[side]`` reads the states of ``side``."""

    __slots__ = ("_early", "base_frames", "handles", "inputs", "outputs", "repeat")

    def __init__(
        self,
        base_frames: int,
        ports: tuple[Port, ...],
        inputs: dict[str, Buffer],
        outputs: dict[str, Buffer],
        handles: tuple[Any, Any],
        finite: bool,
        bindable: bool,
    ) -> None:
        """``ports`` are those of ``inputs``; with ``finite`` a repeated call looks for NaN and infinities.

        ``bindable``: a repeated call may put the output elsewhere.
        """
        self.base_frames = base_frames
        self.inputs = inputs
        self.outputs = outputs
        self.handles = handles
        self.repeat = repeat_of(base_frames, handles, ports, inputs, outputs, finite, bindable)
        self._early: Repeat | None = None

    def early(self, ports: tuple[Port, ...]) -> Repeat | None:
        """``repeat`` for a call of whose outputs, at ``ports``, no frame is real yet: the answers have none."""
        if self._early is None and self.repeat is not None:
            self._early = self.repeat.without_frames(ports)
        return self._early


class Calls:
    """The calls of one stream by size, the last few kept."""

    def __init__(
        self,
        opening: Opening,
        shared: Mapping[str, Buffer],
        states: States,
        overlaps: Overlaps,
    ) -> None:
        """``shared`` are the inputs that are the same for every size: conditioning, constants and controls."""
        self._frame_ports = opening.contract.with_role("frame")
        self._output_ports = opening.contract.with_role("output")
        self._device = opening.device
        self._device_of = opening.device_of
        self._apart = not opening.device.shares_memory
        self._session = opening.session
        self._sizes = opening.sizes
        self._shared = shared
        self._states = states
        self._overlaps = overlaps
        self._finite = opening.finite
        # The value of an output without a time axis is asked for again after the call.
        alone = len(self._output_ports) == 1 and self._output_ports[0].time_axis is not None
        self._bindable = alone and not self._apart
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

    def keeps(self, call: Call) -> bool:
        """Whether ``call`` is still good: made for the states as they lie now."""
        return self._kept.get(call.base_frames) is call

    def forget(self) -> None:
        """Drop all calls, for states that have moved."""
        self._kept.clear()

    def release(self) -> None:
        """Drop all calls and what they share; none can be made afterwards."""
        self._kept.clear()
        self._shared = {}

    def _make(self, base_frames: int) -> Call:
        inputs = {port.name: self._input(port, base_frames) for port in self._frame_ports}
        outputs = {port.name: self._device.stage(self._array(port, base_frames)) for port in self._output_ports}
        handles = self._handle(inputs, outputs, 0), self._handle(inputs, outputs, 1)
        return Call(base_frames, self._frame_ports, inputs, outputs, handles, self._finite, self._bindable)

    def bound(self, call: Call, out: Array) -> tuple[Any, Any]:
        """Handles of ``call`` that have ``out`` in place of the only output."""
        outputs = {name: self._device.place(out) for name in call.outputs}
        return self._handle(call.inputs, outputs, 0), self._handle(call.inputs, outputs, 1)

    def _input(self, port: Port, base_frames: int) -> Buffer:
        return self._overlaps.place(port, self._array(port, base_frames), self._device_of(port.name))

    def _handle(self, inputs: Mapping[str, Buffer], outputs: Mapping[str, Buffer], side: int) -> Any:
        """What runs a call that reads the states of ``side``; on a GPU with the copies around it."""
        binding = self._bind(inputs, outputs, side)
        handle = binding_handle(self._session, binding)
        if self._apart:
            if self._device.graphs is not None:
                changed, written = self._states.changed_by_a_run(), self._states.written(side)
                handle = Captured(self._device.graphs, self._session, handle, changed, [*outputs.values(), *written])
            handle = Transfer(handle, binding, inputs.values(), outputs.values())
        return self._overlaps.handle(handle, inputs, side)

    def _array(self, port: Port, base_frames: int) -> Array:
        shape = resolve_shape(port.shape, {**self._sizes, "time": frames_in_call(port, base_frames)})
        return zeros(shape, np.dtype(port.dtype))

    def _bind(self, inputs: Mapping[str, Buffer], outputs: Mapping[str, Buffer], side: int) -> Any:
        binding = onnxruntime().IOBinding(self._session)
        for name, buffer in {**inputs, **self._shared}.items():
            binding.bind_ortvalue_input(name, buffer.value)
        for name, buffer in outputs.items():
            binding.bind_ortvalue_output(name, buffer.value)
        self._states.bind(binding, side)
        return binding
