"""Long runs of models that amplify rounding, compared in windows restarted from states saved along one run.

A recurrent network with large weights is chaotic: two correct float32 runs of it part after some dozens of frames, and
float64 and float32 differ by the size of the output from then on. So the step graph is run in torch in float64 over the
whole sequence; at every window's start its states are handed to the file and to the step graph in float32, and over
the window the file may be four times as far from the float64 run as the float32 one is. That the step graph is the
module is seen before the first window, where module and file are compared as ever.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from edgeseq.contract import END_UNKNOWN, Contract, Port
from edgeseq.exporters.capture import capture
from edgeseq.exporters.modes import Exact, Lookahead
from edgeseq.exporters.modes.reading import mode_of
from edgeseq.exporters.nesting import nested
from edgeseq.exporters.rules import FAMILIES
from edgeseq.exporters.rules.registry import Registry
from edgeseq.exporters.stepgraph import StepGraph
from edgeseq.exporters.torch_stream import TorchStream
from edgeseq.exporters.verification.yardstick import Found, Yardstick
from edgeseq.runtime import Model
from edgeseq.specs import InputSpec
from edgeseq.verification.arrays import Arrays

#: Frames of the widest windows, in chunk multiples.
WINDOW = 16


class Windows:
    """A file and its module, compared from the same states, window by window."""

    def __init__(self, file: Model, model: nn.Module, rules: Mapping[str, Any] | None) -> None:
        self.file, self.contract = file, file.contract
        contract = file.contract
        ops = "ort" if any(domain != "ai.onnx" for domain in contract.opset) else "portable"
        mode = mode_of(contract.mode)
        assert isinstance(mode, (Exact, Lookahead)), "what runs whole graphs is not compared in windows"
        self.plain = StepGraph(capture(model, specs_of(contract)), Registry(FAMILIES, rules), ops, mode=mode)
        double = copy.deepcopy(model).double()
        self.exact = StepGraph(
            capture(double, specs_of(contract, "float64")), Registry(FAMILIES, rules), ops, mode=mode
        )
        self.widths: list[int] = []

    def first(self) -> int:
        """The first frame from which on no state starts and every output is real, a chunk multiple."""
        late = [state.start for state in self.contract.states] + [self.contract.delay]
        multiple = self.contract.chunk.multiple
        return -(-max(late) // multiple) * multiple

    def told(self) -> str:
        """The widths in words: ``16, 4 and 1``."""
        *others, last = map(str, self.widths)
        return f"{', '.join(others)} and {last}" if others else last

    def compare(self, inputs: Arrays, frames: int, yardstick: Yardstick) -> Iterator[tuple[int, int, str, Found]]:
        """For each width and output: the width, how many windows there are up to ``frames``, the output, the finding.

        All windows are alike, so they share one measure of noise. Of wide windows, which show that a call of many
        frames is right, what comes before the amplification shows is compared; narrower ones follow until it does not
        show, or until a window is the shortest call there is, of which all is compared.
        """
        width = WINDOW * self.contract.chunk.multiple
        while True:
            narrowest = width == self.contract.chunk.multiple
            runs = self._runs(inputs, frames, width)
            if runs:
                self.widths.append(width)
                ruled = replace(yardstick, ahead=0, cut=not narrowest)
                found = {port.name: _stacked(port, runs, ruled) for port in self.contract.with_role("output")}
                yield from ((width, len(runs), name, item) for name, item in found.items())
                if all(item.compared is None for item in found.values()):
                    return
            if narrowest:
                return
            width = max(self.contract.chunk.multiple, width // 4)

    def _runs(self, inputs: Arrays, frames: int, width: int) -> list[tuple[Arrays, Arrays, Arrays]]:
        """Every window's outputs: of the file, of the step graph in float64 and of the step graph in float32."""
        given = {name: torch.from_numpy(array) for name, array in inputs.items()}
        double = {name: value.double() if value.is_floating_point() else value for name, value in given.items()}
        conditioning = {port.name for port in self.contract.with_role("conditioning")}
        exact, plain = (
            TorchStream(graph, 1, {name: values[name] for name in conditioning}, capacity=frames + 64)
            for graph, values in ((self.exact, double), (self.plain, given))
        )
        place, runs = self.first(), []
        if place:
            exact.step(self._cut(double, 0, place))
        while place + width <= frames:
            states = {name: value.numpy() for name, value in exact.states.items()}
            narrow = {state.name: states[state.name].astype(state.dtype) for state in self.contract.states}
            plain.count = place
            plain.states = {name: torch.from_numpy(value) for name, value in narrow.items()}
            part = place, place + width
            wanted = {name: value.numpy() for name, value in exact.step(self._cut(double, *part)).items()}
            near = {name: value.numpy() for name, value in plain.step(self._cut(given, *part)).items()}
            runs.append((self._run(self._cut(given, *part), narrow, inputs), wanted, near))
            place += width
        return runs

    def _cut(self, tensors: Mapping[str, torch.Tensor], first: int, last: int) -> dict[str, torch.Tensor]:
        return {
            port.name: tensors[port.name].narrow(
                port.time_axis or 0, int(first * port.ratio), int((last - first) * port.ratio)
            )
            for port in self.contract.with_role("frame")
        }

    def _run(self, frames: Mapping[str, torch.Tensor], states: Arrays, inputs: Arrays) -> Arrays:
        """One call of the file from the given states."""
        feeds = {name: value.contiguous().numpy() for name, value in frames.items()}
        feeds |= {state.input: states[state.name] for state in self.contract.states}
        feeds |= {port.name: np.full(1, END_UNKNOWN, np.int64) for port in self.contract.with_role("control")}
        feeds |= {port.name: inputs[port.name] for port in self.contract.with_role("conditioning")}
        if self.file.prologue is not None:
            feeds |= self.file.prologue.run(inputs, {"batch": 1})
        known = {value.name for value in self.file.session.get_inputs()}
        names = [port.name for port in self.contract.with_role("output")]
        results = self.file.session.run(names, {name: value for name, value in feeds.items() if name in known})
        return dict(zip(names, results, strict=True))


def specs_of(contract: Contract, floats: str | None = None) -> dict[str, Any]:
    """The inputs of the module that a contract came from, as ``capture`` takes them; floats of another width if asked.

    ``{"x": InputSpec("float32", ("batch", "time", 64))}``
    """
    found = {}
    for port in (*contract.with_role("frame"), *contract.with_role("conditioning")):
        dtype = floats if floats and port.dtype.startswith("float") else port.dtype
        shape = tuple(
            f"{port.ratio}*time" if axis == port.time_axis and port.ratio != 1 else size
            for axis, size in enumerate(port.shape)
        )
        found[port.name] = InputSpec(dtype, shape)
    return nested(found)


def _stacked(port: Port, runs: list[tuple[Arrays, Arrays, Arrays]], yardstick: Yardstick) -> Found:
    """One comparison of all windows of an output, a new first axis counting the windows."""
    streamed, exact, plain = (np.stack([run[index][port.name] for run in runs]) for index in range(3))
    return yardstick.compare(streamed, exact, plain, None if port.time_axis is None else port.time_axis + 1)
