"""Plain onnxruntime: ``session.run`` over edgeseq's file in a loop, states fed back as they come out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.cases import Case
from benchmarks.peers.stepping import Array, caches


def prepare(case: Case, folder: Path) -> None:
    """Nothing: the ONNX file is there."""


def import_packages() -> None:
    """onnxruntime."""
    import onnxruntime  # noqa: F401


class Loop:
    """The loop that everybody writes."""

    def __init__(self, session: Any, initial: dict[str, Array]) -> None:
        self.session, self.initial = session, initial
        self.frame = session.get_inputs()[0].name
        self._outputs = [session.get_outputs()[0].name, *(f"{name}.next" for name in initial)]
        self.reset()

    def step(self, frame: Array) -> Array:
        """One run; its outputs are the next one's inputs."""
        self._feed[self.frame] = frame
        answer: Array
        answer, *states = self.session.run(self._outputs, self._feed)
        for name, state in zip(self.initial, states, strict=True):
            self._feed[name] = state
        return answer

    def reset(self) -> None:
        """To the first step; onnxruntime never writes into what it is fed."""
        self._feed = dict(self.initial)


def open_step(case: Case, folder: Path, chosen: Any = None) -> Loop:
    """A session with these options, else one thread."""
    import onnxruntime

    path, providers = str(folder / "ort.onnx"), ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(path, chosen or options(), providers=providers)
    stored = caches(folder) if case.position is not None else {}
    return Loop(session, {given.name: initial(given, stored, case.start) for given in session.get_inputs()[1:]})


def options() -> Any:
    """One thread."""
    import onnxruntime

    made = onnxruntime.SessionOptions()
    made.intra_op_num_threads = made.inter_op_num_threads = 1
    return made


def initial(given: Any, stored: dict[str, Array], start: int) -> Array:
    """A state before the first step: a stored cache, the position, or zeros."""
    if given.name in stored:
        return stored[given.name]
    sizes = [size if isinstance(size, int) else 1 for size in given.shape]
    return np.full(sizes, start, np.int64) if given.type == "tensor(int64)" else np.zeros(sizes, np.float32)
