"""edgeseq: ``runtime.load(...).stream().step``; Silero's file through ``runtime.adopt``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.cases import Case
from benchmarks.peers.stepping import Array, caches


def prepare(case: Case, folder: Path) -> None:
    """Nothing: the ONNX file is there."""


def import_packages() -> None:
    """edgeseq's runtime and onnxruntime, which it otherwise fetches when it loads the first file."""
    import onnxruntime  # noqa: F401

    import edgeseq.runtime  # noqa: F401


class Streamed:
    """A stream; going back is ``reset``, or ``rewind`` where there are tokens behind."""

    def __init__(self, stream: Any, start: int) -> None:
        self._stream, self._start = stream, start
        self.step = stream.step

    def reset(self) -> None:
        """To the first step."""
        if self._start:
            self._stream.rewind(self._stream.position - self._start)
        else:
            self._stream.reset()


def open_step(case: Case, folder: Path) -> Streamed:
    """A stream on one thread."""
    from edgeseq import runtime

    if case.kind == "Silero":
        return Streamed(runtime.adopt(folder / "silero.onnx", recipe="silero-vad").stream(), 0)
    model = runtime.load(folder / "ort.onnx", threads=1)
    if case.position is None:
        return Streamed(model.stream(), 0)
    stream = model.stream(max_context=case.capacity)
    fill(stream, case.start, caches(folder))
    return Streamed(stream, case.start)


def fill(stream: Any, start: int, stored: dict[str, Array]) -> None:
    """Make of a fresh stream one that has taken ``start`` tokens."""
    empty = stream.snapshot()
    states = {name: array[:, :, :start] for name, array in stored.items()}
    positions = {name: np.full_like(array, start) for name, array in empty.states.items() if name not in states}
    stream.restore(replace(empty, position=start, states={**positions, **states}))
