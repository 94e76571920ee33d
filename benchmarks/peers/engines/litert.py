"""LiteRT (once TensorFlow Lite) over what litert-torch makes of the step; XNNPACK is its default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.cases import Case
from benchmarks.peers.stepping import Array, caches


def prepare(case: Case, folder: Path) -> None:
    """Convert to ``step.tflite``; a GPT's caches are inputs and outputs, for the converter knows no other state."""
    import litert_torch
    import torch

    from benchmarks.peers.networks import ExplicitStep, inputs, recurrent_step, transformer

    module: Any
    if case.position is None:
        module = recurrent_step(case)
        given = (inputs(case, 1)[0], *module.initial())
    else:
        module = ExplicitStep(transformer(case), case.capacity).eval()
        given = (inputs(case, 1)[0], torch.tensor([case.start]), *module.caches())
    with torch.no_grad():
        litert_torch.convert(module, given).export(str(folder / "step.tflite"))


def import_packages() -> None:
    """LiteRT's interpreter."""
    import ai_edge_litert.interpreter  # noqa: F401


class Signature:
    """A signature whose answer is ``output_0`` and whose states follow it; ``args_N`` are its inputs."""

    def __init__(self, runner: Any, initial: dict[str, Array]) -> None:
        self._runner, self._initial = runner, initial
        self._dtype = runner.get_input_details()["args_0"]["dtype"]
        self.reset()

    def step(self, frame: Array) -> Array:
        """One run."""
        answers = self._runner(args_0=frame.astype(self._dtype, copy=False), **self._states)
        for number, name in enumerate(self._states, 1):
            self._states[name] = answers[f"output_{number}"]
        out: Array = answers["output_0"]
        return out

    def reset(self) -> None:
        """To the first step."""
        self._states = dict(self._initial)


def open_step(case: Case, folder: Path) -> Signature:
    """The interpreter on one thread."""
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_path=str(folder / "step.tflite"), num_threads=1).get_signature_runner()
    given = zeros(runner)
    if case.position is not None:
        given = [np.full_like(given[0], case.start), *caches(folder).values()]
    return Signature(runner, {f"args_{number}": array for number, array in enumerate(given, 1)})


def zeros(runner: Any) -> list[Array]:
    """Zero states in the shapes that the signature asks for."""
    details = runner.get_input_details()
    states = [details[f"args_{number}"] for number in range(1, len(details))]
    return [np.zeros(state["shape"], state["dtype"]) for state in states]
