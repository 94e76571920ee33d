"""PyTorch through ``torch.compile``: the same step with fixed shapes, its weights frozen."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from benchmarks.peers.cases import Case
from benchmarks.peers.engines import torch_eager
from benchmarks.peers.engines.torch_eager import Cached, Recurrent
from benchmarks.peers.stepping import Array, frames


def prepare(case: Case, folder: Path) -> None:
    """Write the weights and fill the cache of compiled code, so that loading is what a second start takes."""
    if not (folder / "weights.pt").exists():
        torch_eager.prepare(case, folder)
    stepper = open_step(case, folder)
    stepper.step(frames(folder)[0])


def import_packages() -> None:
    """PyTorch and its compiler."""
    import torch._dynamo
    import torch._inductor  # noqa: F401


def open_step(case: Case, folder: Path) -> Recurrent | Positioned:
    """The compiled step on one thread, compiled by the first of three calls."""
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder / "inductor")
    torch_eager.one_thread()
    import torch._dynamo
    import torch._inductor.config

    from benchmarks.peers.networks import CachedStep

    # Without the first, dynamo leaves nn.LSTM and its kin to eager PyTorch.
    torch._dynamo.config.allow_rnn = True
    torch._inductor.config.freezing = True
    made: Recurrent | Positioned
    if case.position is None:
        module = torch_eager.recurrent(case, folder)
        made = Recurrent(torch.compile(module, fullgraph=True), module.initial())
    else:
        module = torch_eager.transformer(case, folder, CachedStep)
        made = Positioned(torch.compile(module, fullgraph=True), case.start)
    for frame in frames(folder)[:3]:
        made.step(frame)
    made.reset()
    return made


class Positioned(Cached):
    """The position as a tensor: a number would be compiled in."""

    def __init__(self, call: Any, start: int) -> None:
        import torch

        super().__init__(call, start)
        self._place = torch.tensor([start])

    def step(self, frame: Array) -> Array:
        """One call."""
        answer = self._call(self._tensor(frame), self._place)
        self._place += 1
        out: Array = answer.numpy()
        return out

    def reset(self) -> None:
        """To the first step."""
        self._place.fill_(self._start)
