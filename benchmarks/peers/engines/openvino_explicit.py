"""OpenVINO over edgeseq's portable file, whose states are inputs and outputs, handed on without a copy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.cases import Case
from benchmarks.peers.stepping import Array, caches

#: As for every other engine: one thread, float32 all through.
SETTINGS = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}


def prepare(case: Case, folder: Path) -> None:
    """Nothing: the ONNX file is there."""


def import_packages() -> None:
    """OpenVINO."""
    import openvino  # noqa: F401


class Turns:
    """Two requests that take turns: the states that one gives lie where the other reads them."""

    def __init__(self, compiled: Any, initial: list[Array]) -> None:
        self._requests = [compiled.create_infer_request() for _ in range(2)]
        self._initial, self._turn = initial, 0
        self._given: dict[int, Any] = dict(enumerate(initial, 1))

    def step(self, frame: Array) -> Array:
        """One request; outputs lie in the order of the inputs."""
        given = {0: frame, **self._given}
        answers = list(self._requests[self._turn].infer(given, share_inputs=True, share_outputs=True).values())
        self._given = dict(enumerate(answers[1:], 1))
        self._turn = 1 - self._turn
        out: Array = answers[0]
        return out

    def reset(self) -> None:
        """To the first step."""
        self._turn = 0
        self._given = dict(enumerate(self._initial, 1))


def open_step(case: Case, folder: Path) -> Turns:
    """Two requests of one compiled model."""
    import openvino

    core = openvino.Core()
    model, initial = read(core, case, folder)
    return Turns(core.compile_model(model, "CPU", SETTINGS), list(initial.values()))


def read(core: Any, case: Case, folder: Path) -> tuple[Any, dict[str, Array]]:
    """The model at batch 1 and one frame, every shape fixed, and its states before the first step by name."""
    model = core.read_model(folder / "portable.onnx")
    frame, *states = model.inputs
    stored = caches(folder) if case.position is not None else {}
    initial = {port.get_any_name(): first(port, stored, case.start) for port in states}
    shapes = {name: list(array.shape) for name, array in initial.items()}
    features = [size.get_length() for size in list(frame.get_partial_shape())[2:]]
    model.reshape({frame.get_any_name(): [1, 1, *features], **shapes})
    for output, name in zip(model.outputs[1:], initial, strict=True):
        if output.get_any_name() != f"{name}.next":
            raise RuntimeError(f"states come out in another order: {output.get_any_name()} where {name} went in")
    return model, initial


def first(port: Any, stored: dict[str, Array], start: int) -> Array:
    """A state before the first step: a stored cache, the position, or zeros."""
    name = port.get_any_name()
    if name in stored:
        return stored[name]
    sizes = [1 if size.is_dynamic else size.get_length() for size in port.get_partial_shape()]
    whole = port.get_element_type().to_dtype() == np.int64
    return np.full(sizes, start, np.int64) if whole else np.zeros(sizes, np.float32)
