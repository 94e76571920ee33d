"""OpenVINO with the states inside: the same file after its own transformation ``MakeStateful``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.cases import Case
from benchmarks.peers.engines.openvino_explicit import SETTINGS, import_packages, prepare, read
from benchmarks.peers.stepping import Array

__all__ = ["import_packages", "open_step", "prepare"]


class Stateful:
    """One request that keeps its states; a GPT's position goes in with every token, for a state may not be int64."""

    def __init__(self, request: Any, initial: dict[str, Array], case: Case) -> None:
        self._request, self._start, self._cached = request, case.start, case.position is not None
        self._initial = initial
        self._position = np.full(1, case.start, np.int64)
        self._write_states()

    def step(self, frame: Array) -> Array:
        """One request."""
        given = {0: frame}
        if self._cached:
            given[1] = self._position
            self._position = self._position + 1
        out: Array = self._request.infer(given, share_inputs=True, share_outputs=True)[0]
        return out

    def reset(self) -> None:
        """To the first step; caches are left, later tokens are written over."""
        self._position = np.full(1, self._start, np.int64)
        if not self._cached:
            self._write_states()

    def _write_states(self) -> None:
        import openvino

        # A state is called after its input and its output.
        named = {f"{name}{name}.next": array for name, array in self._initial.items()}
        for state in self._request.query_state():
            state.state = openvino.Tensor(named[state.name])


def open_step(case: Case, folder: Path) -> Stateful:
    """A request of the stateful model."""
    import openvino
    from openvino.passes import MakeStateful, Manager

    core = openvino.Core()
    model, initial = read(core, case, folder)
    initial.pop("position", None)
    passes = Manager()
    passes.register_pass(MakeStateful({name: f"{name}.next" for name in initial}))
    passes.run_passes(model)
    return Stateful(core.compile_model(model, "CPU", SETTINGS).create_infer_request(), initial, case)
