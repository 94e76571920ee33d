"""Silero VAD through the wrapper of its own package, ``OnnxWrapper``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.peers.cases import Case
from benchmarks.peers.stepping import Array

RATE = 16_000


def prepare(case: Case, folder: Path) -> None:
    """Nothing: the ONNX file is there."""


def import_packages() -> None:
    """The wrapper's module; it imports PyTorch."""
    import silero_vad.utils_vad  # noqa: F401


class Wrapped:
    """The wrapper, which takes PyTorch's tensors."""

    def __init__(self, wrapper: Any) -> None:
        import torch

        self._wrapper, self._tensor = wrapper, torch.from_numpy
        self.reset = wrapper.reset_states

    def step(self, frame: Array) -> Array:
        """One call."""
        out: Array = self._wrapper(self._tensor(frame), RATE).numpy()
        return out


def open_step(case: Case, folder: Path) -> Wrapped:
    """The wrapper; it sets its session to one thread itself."""
    import torch
    from silero_vad.utils_vad import OnnxWrapper

    torch.set_num_threads(1)
    return Wrapped(OnnxWrapper(str(folder / "silero.onnx"), force_onnx_cpu=True))
