"""What the worker asks of an engine; numpy and the standard library alone, for every environment."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.cases import Case

Array = NDArray[Any]


class Stepper(Protocol):
    """A stream at its beginning: :meth:`step` takes one frame as numpy and returns the answer as numpy.

    A returned array is good until the next step. :meth:`reset` goes back to the beginning: zero states or, for a GPT,
    the first token of the case's window, with everything before it in the caches.
    """

    def step(self, frame: Array) -> Array: ...

    def reset(self) -> None: ...


class EngineModule(Protocol):
    """A module of ``benchmarks.peers.engines``. Importing it imports nothing of the engine."""

    def prepare(self, case: Case, folder: Path) -> None:
        """Write what :meth:`open_step` needs beside what all engines share, with PyTorch at hand."""

    def import_packages(self) -> None:
        """Import what a step needs."""

    def open_step(self, case: Case, folder: Path) -> Stepper:
        """A stream of the network in ``folder``, on one thread."""


def engine_module(name: str) -> EngineModule:
    """The module of an engine in the table."""
    from importlib import import_module

    module: ModuleType = import_module(f"benchmarks.peers.engines.{name}")
    return cast(EngineModule, module)


def frames(folder: Path) -> Array:
    """Inputs of the steps, one by one: ``[steps, 1, 1, 64]`` float32, tokens ``[steps, 1, 1]`` int64."""
    return cast(Array, np.load(folder / "frames.npy"))


def caches(folder: Path) -> dict[str, Array]:
    """Keys and values of what is behind a GPT's first step, by state name: ``[1, heads, capacity, width]``."""
    with np.load(folder / "caches.npz") as stored:
        return {name: stored[name] for name in stored.files}
