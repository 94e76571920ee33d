"""A stream on a GPU that takes frames from its memory and leaves answers there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from edgeseq.contract import Port
from edgeseq.errors import EdgeseqError, UsageError
from edgeseq.runtime.alone import crowded
from edgeseq.runtime.answers import Answers, out_by_name
from edgeseq.runtime.device_arrays import DeviceArray, borrowed, fetched, lies_on
from edgeseq.runtime.devices import BUSY, Buffer
from edgeseq.runtime.engine import engine_errors
from edgeseq.runtime.opening import Opening
from edgeseq.runtime.repeat import Repeat
from edgeseq.runtime.stream import Stream
from edgeseq.runtime.transfers import Transfer


class DeviceStream(Stream):
    """A stream of a model on a GPU: also takes arrays that lie there, anything with ``__dlpack__``.

    Such frames are copied to the graph's own where nobody has to look at them: the step repeats the one before, and is
    not searched for NaN (``on_nonfinite="pass"``). Otherwise they go by way of the host, with the same answers.
    """

    __slots__ = ()

    def step(self, frames: Any = None, /, *, out: Any = None, **named: Any) -> Any:
        """:meth:`Stream.step`; with ``outputs="device"`` answers are on the device, and ``out`` may be there too."""
        given = self._named(frames, named)
        there = {name: value for name, value in given.items() if lies_on(self._device, value)}
        places = self._places(out)
        if not there and not places and not self._opening.outputs_stay:
            return super().step(given, out=out)
        return self._on_device(given, there, out, places)

    def missing(self, frames: int, *, out: Any = None) -> Any:
        """:meth:`Stream.missing`."""
        places = self._places(out)
        return self._left_there(super().missing(frames, out=self._host_places(out, places)), out, places)

    def flush(self) -> Any:
        """:meth:`Stream.flush`."""
        return self._left_there(super().flush(), None, {})

    def _on_device(
        self, given: Mapping[str, Any], there: Mapping[str, Any], out: Any, places: Mapping[str, Any]
    ) -> Any:
        """A step of which frames or answers lie on the device."""
        if self._busy:
            raise crowded()
        self._busy = True
        try:
            fast = self._fast
            if fast is not None and self._feeder.fed + fast.base_frames <= self._until and (out is None or places):
                answer = self._at_once(fast, given, there, places)
                if answer is not None:
                    return answer if out is None else out
        except EdgeseqError as error:
            self._log_refusal("step", error)
            raise
        finally:
            self._busy = False
        host = {**given, **{name: fetched(name, value) for name, value in there.items()}}
        answer = super().step(host, out=self._host_places(out, places))
        return self._left_there(answer, out, places)

    def _at_once(
        self, fast: Repeat, given: Mapping[str, Any], there: Mapping[str, Any], places: Mapping[str, Any]
    ) -> Any:
        """The answer of a step that is the one before over again; None where the general step must look at it."""
        call, side = self._feeder.last, self._feeder.side
        if call is None or call.repeat is not fast or not isinstance(fast.handles[side], Transfer):
            return None
        values = self._fitting(call.inputs, given, there)
        stay = bool(places) or self._opening.outputs_stay
        targets = self._targets(call.outputs, places) if stay else {}
        if values is None or targets is None:
            return None
        for name, target in fast.targets:
            if name not in values:
                target[...] = given[name]
        if fast.vector is not None or fast.unsure:
            fast.check()
        inputs = [call.inputs[name] for name in values]
        # The values of outputs without a time axis are asked for again: they are read on the host too.
        left = [call.outputs[port.name] for port in self._timed] if stay else []
        transfer = fast.handles[side].but(inputs, left)
        with self._taken_over(fast), BUSY:
            for name, value in values.items():
                call.inputs[name].value.update_inplace(value)
            transfer.binding.synchronize_inputs()
            self._feeder.run(transfer, self._feeder.options)
            for name, (_, target) in targets.items():
                target.update_inplace(call.outputs[name].value)
            transfer.binding.synchronize_outputs()
            answers = {name: array for name, (array, _) in targets.items()} or fast.copies()
        return answers if len(self._out_ports) > 1 else next(iter(answers.values()))

    @contextmanager
    def _taken_over(self, fast: Repeat) -> Iterator[None]:
        """What is run inside counts where it comes to its end: the position moves last."""
        feeder = self._feeder
        try:
            yield
        except engine_errors() as error:
            self._fast = None
            raise feeder.failed(error, False) from error
        except BaseException:
            self._fast = None
            feeder.interrupted()
            raise
        feeder.side ^= 1
        feeder.fed += fast.base_frames

    def _fitting(
        self, inputs: Mapping[str, Buffer], given: Mapping[str, Any], there: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """The frames on the device as onnxruntime's values; None where a frame does not fit or has to be looked at."""
        if self._held is not None or given.keys() != inputs.keys():
            return None
        values = {}
        for port in self._ports:
            buffer, value = inputs[port.name], given[port.name]
            if port.name not in there:
                if type(value) is not np.ndarray or value.shape != buffer.shape or value.dtype is not buffer.dtype:
                    return None
                continue
            if self._looked_at(port, buffer) or tuple(value.shape) != buffer.shape:
                return None
            values[port.name] = borrowed(port.name, value)
            if values[port.name].data_type() != buffer.value.data_type():
                return None
        return values

    def _looked_at(self, port: Port, buffer: Buffer) -> bool:
        """Whether the frames of a port have to be on the host: to be searched, to be held, or to join others."""
        searched = self._finite and buffer.dtype.kind == "f"
        ranged = port.range is not None and buffer.dtype.kind in "iu"
        return searched or ranged or bool(port.overlap) or buffer.array is None or buffer.memory is not buffer.array

    def _targets(self, outputs: Mapping[str, Buffer], places: Mapping[str, Any]) -> dict[str, tuple[Any, Any]] | None:
        """The array of every output and onnxruntime's value over its memory; None where a place does not fit."""
        found = {}
        for name, buffer in outputs.items():
            if not places:
                value = self._device.empty(buffer.shape, buffer.dtype)
                found[name] = DeviceArray(self._device, value, buffer.shape, buffer.dtype), value
                continue
            value = borrowed(f"out for {name}", places[name])
            if tuple(value.shape()) != buffer.shape or value.data_type() != buffer.value.data_type():
                return None
            found[name] = places[name], value
        return found

    def _places(self, out: Any) -> dict[str, Any]:
        """The arrays in ``out`` that lie on the device, by output; UsageError where only some do."""
        if out is None or isinstance(out, np.ndarray):
            return {}
        named = out_by_name(out, self._out_ports)
        there = {name: value for name, value in named.items() if lies_on(self._device, value)}
        if there and len(there) < len(named):
            raise UsageError("out lies on the device in part", got=", ".join(there), wanted="all of it, or nothing")
        return there

    def _host_places(self, out: Any, places: Mapping[str, Any]) -> Any:
        """Arrays of the host in place of those on the device, for a step that is put together there."""
        if not places:
            return out
        made = {name: np.array(borrowed(f"out for {name}", value).numpy()) for name, value in places.items()}
        return made if isinstance(out, Mapping) else next(iter(made.values()))

    def _left_there(self, answer: Answers, out: Any, places: Mapping[str, Any]) -> Any:
        """The answer where it was asked for: in ``out``, or on the device."""
        if places:
            made = answer if isinstance(answer, dict) else {next(iter(places)): answer}
            for name, value in places.items():
                if made[name].size:
                    borrowed(f"out for {name}", value).update_inplace(np.ascontiguousarray(made[name]))
            return out
        if out is not None or not self._opening.outputs_stay:
            return answer
        if isinstance(answer, dict):
            return {name: DeviceArray.of(self._device, array) for name, array in answer.items()}
        return DeviceArray.of(self._device, answer)


def check_outputs(outputs: object, opening: Opening) -> None:
    """UsageError for what is no place for answers, or for one that this model's device has not."""
    if outputs not in ("host", "device"):
        raise UsageError("unknown outputs", got=repr(outputs), wanted="'host' or 'device'")
    if outputs == "device" and opening.device.shares_memory:
        raise UsageError(
            "outputs on the device are those of a GPU", got=str(opening.device), do="load with device='cuda:0'"
        )
