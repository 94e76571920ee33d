"""The meaning of ``Window``: the module itself, run on the last frames again and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from edgeseq.contract import Contract, Port
from edgeseq.exporters.modes.window_sizes import Windows, first_given

Tensors = Mapping[str, torch.Tensor]
#: Windows that are run together.
_TOGETHER = 32
Run = Callable[[Tensors], list[torch.Tensor]]


def windowed(contract: Contract, run: Run, given: Tensors) -> list[torch.Tensor]:
    """What the outputs of a file become in a stream that gets all frames of ``given``; ``run`` is the module.

    After each ``hop`` frames the module is run on the window; each output with a time axis gives its next frames.
    """
    mode, outputs = contract.mode, contract.with_role("output")
    windows = Windows(mode["frames"], mode["hop"], mode["step"], contract.min_frames)
    total = _total(contract, given)
    answers = _Answers(contract, windows, run, given, total)
    parts: list[list[torch.Tensor]] = [[] for _ in outputs]
    fed = 0
    while any(port.length is not None and first_given(port, fed) < (port.length(total) or 0) for port in outputs):
        end = min(fed + windows.hop, total)
        for index, port in enumerate(outputs):
            if port.length is not None and _range(port, fed, windows.hop, total):
                parts[index].append(_frames(port, answers.of(end)[index], windows.start(end), fed, windows.hop, total))
        fed += windows.hop
    return [
        answers.of(total)[index] if port.time_axis is None else torch.cat(parts[index], port.time_axis)
        for index, port in enumerate(outputs)
    ]


class _Answers:
    """What the module makes of the window before each end. Windows of one length are run together, a row each."""

    def __init__(self, contract: Contract, windows: Windows, run: Run, given: Tensors, total: int) -> None:
        self.contract, self.windows, self.run, self.given, self.total = contract, windows, run, given, total
        self.known: dict[int, list[torch.Tensor]] = {}
        rowed = [port for port in contract.ports if port.name in given or port.role == "output"]
        self.together = _TOGETHER if all("batch" in port.shape for port in rowed) else 1

    def of(self, end: int) -> list[torch.Tensor]:
        """The outputs of the window that ends before ``end``."""
        if end not in self.known:
            alike = range(end, self.total + 1, self.windows.hop)[: self.together]
            length = end - self.windows.start(end)
            self.known = self._run([later for later in alike if later - self.windows.start(later) == length])
        return self.known[end]

    def _run(self, ends: list[int]) -> dict[int, list[torch.Tensor]]:
        inputs = [_between(self.contract, self.given, self.windows.start(end), end) for end in ends]
        if len(ends) == 1:
            return {ends[0]: self.run(inputs[0])}
        axes = {port.name: port.shape.index("batch") for port in self.contract.ports if "batch" in port.shape}
        made = self.run({name: torch.cat([item[name] for item in inputs], axes[name]) for name in self.given})
        names = [port.name for port in self.contract.with_role("output")]
        rows = [value.chunk(len(ends), axes[name]) for name, value in zip(names, made, strict=True)]
        return {end: [parts[index] for parts in rows] for index, end in enumerate(ends)}


def _total(contract: Contract, given: Tensors) -> int:
    port = contract.with_role("frame")[0]
    return int(given[port.name].shape[port.time_axis or 0] / port.ratio)


def _between(contract: Contract, given: Tensors, start: int, end: int) -> dict[str, torch.Tensor]:
    """The inputs of a window, zeros in place of frames before the first."""
    timed = {port.name: port for port in contract.with_role("frame")}
    found = {}
    for name, tensor in given.items():
        if name not in timed:
            found[name] = tensor
            continue
        axis, ratio = timed[name].time_axis or 0, int(timed[name].ratio)
        first = max(0, start) * ratio
        part = tensor.narrow(axis, first, end * ratio - first)
        shape = list(tensor.shape)
        shape[axis] = max(0, -start) * ratio
        found[name] = torch.cat([tensor.new_zeros(shape), part], axis)
    return found


def _range(port: Port, fed: int, hop: int, total: int) -> range:
    """The frames of the whole output that the call after ``fed`` base frames gives."""
    assert port.length is not None
    return range(max(0, first_given(port, fed)), min(first_given(port, fed + hop), port.length(total) or 0))


def _frames(port: Port, made: torch.Tensor, start: int, fed: int, hop: int, total: int) -> torch.Tensor:
    wanted = _range(port, fed, hop, total)
    return made.narrow(port.time_axis or 0, wanted.start - int(start * port.ratio), len(wanted))
