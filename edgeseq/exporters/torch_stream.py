"""The fast oracle: a step graph run eagerly in torch by the contract's own arithmetic, without ONNX."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping

import numpy as np
import torch

from edgeseq.contract import END_UNKNOWN, Contract, Initial, State, resolve_shape
from edgeseq.exporters.contracting import contract_of
from edgeseq.exporters.stepgraph import StepGraph


class TorchStream:
    """A stream over a :class:`StepGraph`: ``step`` any number of frames, then ``flush``; arrays by port name.

    ``filler`` is what ``flush`` feeds past the end of floating point inputs. The contract says zeros; no output may
    depend on it.
    """

    def __init__(
        self,
        graph: StepGraph,
        batch: int,
        conditioning: Mapping[str, torch.Tensor] | None = None,
        capacity: int = 64,
        filler: float = 0.0,
    ) -> None:
        self.graph = graph
        self.contract: Contract = contract_of(graph)
        self.batch, self.capacity, self.filler = batch, capacity, filler
        self.conditioning = dict(conditioning or {})
        self.sizes = {"batch": batch, "capacity": capacity}
        for item in graph.captured.inputs:
            if item.name in self.conditioning:
                named = zip(item.spec.shape, self.conditioning[item.name].shape, strict=True)
                self.sizes |= {axis: size for axis, size in named if isinstance(axis, str)}
        self.constants = self._constants()
        self.count = 0
        self.given: dict[str, int] = {}
        self.waiting: dict[str, torch.Tensor] = {}
        self.last: dict[str, torch.Tensor] = {}
        self.states = {state.name: self._initial(state) for state in self.contract.states}

    def _constants(self) -> dict[str, torch.Tensor]:
        """What the prologue makes of the conditioning, by name."""
        prologue = self.graph.prologue
        if prologue is None:
            return {}
        with torch.no_grad():
            values = prologue(*(self.conditioning[item.name] for item in prologue.inputs))
        constants = dict(zip(prologue.outputs, values, strict=True))
        for name, value in constants.items():
            named = zip(prologue.shapes[name], value.shape, strict=True)
            self.sizes |= {axis: size for axis, size in named if isinstance(axis, str)}
        return constants

    def step(self, frames: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Take some frames; the frames of output that are ready, and the summaries so far."""
        joined = {name: self._join(name, value) for name, value in frames.items()}
        held = self._held(joined)
        usable = held - held % self.contract.chunk.multiple
        self.waiting = {name: self._cut(name, value, usable, held) for name, value in joined.items()}
        return self._feed({name: self._cut(name, value, 0, usable) for name, value in joined.items()}, usable, None)

    def flush(self) -> dict[str, torch.Tensor]:
        """What is still owed when the stream ends here."""
        held = self._held(self.waiting) if self.waiting else 0
        total = self.count + held
        multiple = self.contract.chunk.multiple
        needed = total
        for port in self.contract.with_role("output"):
            frames = port.length(total) if port.length else None
            late = math.ceil((frames + port.delay) / port.ratio) if frames is not None else total + port.delay
            needed = max(needed, late)
        fed = -(-(needed - self.count) // multiple) * multiple
        filled = {}
        for port in self.contract.with_role("frame"):
            axis = port.time_axis or 0
            shape = list(resolve_shape(port.shape, {**self.sizes, "time": int((fed - held) * port.ratio)}))
            dtype = getattr(torch, port.dtype)
            pieces = [torch.full(shape, self.filler if dtype.is_floating_point else 0, dtype=dtype)]
            if self.waiting:
                pieces.insert(0, self.waiting[port.name])
            filled[port.name] = torch.cat(pieces, axis)
        return self._feed(filled, fed, total)

    def _feed(self, frames: dict[str, torch.Tensor], count: int, total: int | None) -> dict[str, torch.Tensor]:
        starts = sorted({state.start for state in self.contract.states})
        pieces: dict[str, list[torch.Tensor]] = {port.name: [] for port in self.contract.with_role("output")}
        done = 0
        while done < count:
            for state in self.contract.states:
                if state.start == self.count:
                    self.states[state.name] = self._initial(state)
            ahead = [start - self.count for start in starts if start > self.count]
            size = min([count - done, *ahead])
            self._call(
                {name: self._cut(name, value, done, done + size) for name, value in frames.items()}, size, total, pieces
            )
            done += size
        return {name: self._result(name, parts) for name, parts in pieces.items()}

    def _call(
        self, frames: dict[str, torch.Tensor], size: int, total: int | None, pieces: dict[str, list[torch.Tensor]]
    ) -> None:
        given = [*frames.values(), *(self.constants[name] for name in self.graph.given)]
        given += [self.conditioning[item.name] for item in self.graph.conditioning]
        given += [self.states[name] for name in self.graph.plan.states]
        if self.graph.plan.uses_remaining:
            rows = self.batch if self.graph.captured.batch is not None else 1
            given.append(torch.full([rows], END_UNKNOWN if total is None else total - self.count))
        with torch.no_grad():
            results = list(self.graph(*given))
        outputs = self.contract.with_role("output")
        for name, value in zip(self.graph.plan.states, results[len(outputs) :], strict=True):
            self.states[name] = value
        for port, value in zip(outputs, results, strict=False):
            if port.time_axis is None or port.length is None:
                pieces[port.name] = [value]
                continue
            place = self.count * port.ratio - port.delay
            ready = value.narrow(
                port.time_axis,
                n := min(max(0, -int(place)), value.shape[port.time_axis]),
                value.shape[port.time_axis] - n,
            )
            if total is not None:
                owed = max(0, (port.length(total) or 0) - self.given.get(port.name, 0))
                ready = ready.narrow(port.time_axis, 0, min(owed, ready.shape[port.time_axis]))
            self.given[port.name] = self.given.get(port.name, 0) + ready.shape[port.time_axis]
            pieces[port.name].append(ready)
        self.count += size

    def _result(self, name: str, parts: list[torch.Tensor]) -> torch.Tensor:
        port = self.contract.port(name)
        if port.time_axis is None:
            self.last[name] = parts[-1] if parts else self.last.get(name, torch.empty(0))
            return self.last[name]
        shape = resolve_shape(port.shape, {**self.sizes, "time": 0})
        return torch.cat([torch.zeros(shape, dtype=getattr(torch, port.dtype)), *parts], port.time_axis)

    def _join(self, name: str, value: torch.Tensor) -> torch.Tensor:
        axis = self.contract.port(name).time_axis or 0
        return torch.cat([self.waiting[name], value], axis) if self.waiting else value

    def _held(self, frames: Mapping[str, torch.Tensor]) -> int:
        """Base frames that some frames of the inputs hold."""
        first = self.contract.with_role("frame")[0]
        return int(frames[first.name].shape[first.time_axis or 0] / first.ratio)

    def _cut(self, name: str, value: torch.Tensor, first: int, last: int) -> torch.Tensor:
        """The frames that belong to the base frames from ``first`` to ``last``."""
        port = self.contract.port(name)
        return value.narrow(port.time_axis or 0, int(first * port.ratio), int((last - first) * port.ratio))

    def _initial(self, state: State) -> torch.Tensor:
        entries = math.ceil(self.capacity * state.ratio)
        shape = resolve_shape(state.shape, {**self.sizes, "capacity": entries})
        dtype = getattr(torch, state.dtype)
        if state.initial.kind in ("conditioning", "prologue"):
            given = {**self.conditioning, **self.constants}.get(state.initial.port or "")
            if given is None:
                return torch.zeros(shape, dtype=dtype)
            index = state.initial.index
            part = given if index is None else given[index : index + 1]
            return (part.reshape(shape) if part.numel() == math.prod(shape) else part.expand(shape)).clone()
        return _value(state.initial, shape, dtype)


def _value(initial: Initial, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    if initial.kind == "fill":
        return torch.full(shape, initial.value or 0.0, dtype=dtype)
    if initial.kind == "data":
        name = str(dtype).removeprefix("torch.")
        raw = np.frombuffer(base64.b64decode(initial.base64 or ""), np.dtype(name).newbyteorder("<"))
        return torch.from_numpy(raw.astype(name).reshape(initial.shape or ())).expand(shape).clone()
    return torch.zeros(shape, dtype=dtype)
