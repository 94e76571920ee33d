"""Calling the graph by itself, to see what it takes and what it gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edgeseq.contract import Axis, axis_parts, resolve_shape
from edgeseq.runtime.adopting.draft import Draft
from edgeseq.runtime.devices import Array
from edgeseq.runtime.engine import engine_errors, first_line, run_options
from edgeseq.runtime.schedule import frames_in_call
from edgeseq.runtime.states import initial_array

#: The size of axes that are neither batch nor time.
OTHER_AXIS = 5


class Refused(Exception):
    """onnxruntime did not run a call; what it said, for the caller to decide on."""


class Probe:
    """The graph of a draft, run one call at a time on random arrays; the same seed draws the same."""

    def __init__(self, session: Any, draft: Draft) -> None:
        self.draft = draft
        self._session = session
        self._names = [value.name for value in session.get_outputs()]
        self._options = run_options()
        self._options.log_severity_level = 4  # a call that fails is an answer here

    def __call__(
        self, base_frames: int, batch: int, states: Mapping[str, Array] | None = None, seed: int = 0
    ) -> dict[str, Array]:
        """All outputs of one call, ``states`` in place of some initial values; Refused where it fails."""
        feeds = {**self.initial(batch), **self._drawn(base_frames, batch, seed), **(states or {})}
        try:
            values = self._session.run(self._names, feeds, self._options)
        except engine_errors() as error:
            raise Refused(first_line(error)) from None
        return dict(zip(self._names, values, strict=True))

    def initial(self, batch: int) -> dict[str, Array]:
        """Every state's initial value, by its input."""
        found = {}
        for state in self.draft.states:
            shape = resolve_shape(state.shape, sizes_of(state.shape, batch))
            value = np.broadcast_to(initial_array(state, {}, {"batch": batch}), shape)
            found[state.input] = np.array(value, dtype=state.dtype, order="C")
        return found

    def _drawn(self, base_frames: int, batch: int, seed: int) -> dict[str, Array]:
        random = np.random.default_rng(seed)
        feeds = {}
        for port in (*self.draft.frames, *self.draft.given):
            sizes = sizes_of(port.shape, batch, frames_in_call(port, base_frames))
            shape = resolve_shape(port.shape, sizes)
            constant = port.role == "constant"
            feeds[port.name] = np.full(shape, port.default, port.dtype) if constant else draw(random, shape, port.dtype)
        return feeds


def sizes_of(shape: tuple[Axis, ...], batch: int, time: int = 1) -> dict[str, int]:
    """A size for every word in a shape."""
    others = {axis_parts(axis)[1]: OTHER_AXIS for axis in shape if isinstance(axis, str)}
    return {**others, "batch": batch, "time": time}


def draw(random: np.random.Generator, shape: tuple[int, ...], dtype: str) -> Array:
    """Standard normal floats; zeros and ones of other dtypes, which no table is too small for."""
    if np.dtype(dtype).kind == "f":
        return random.standard_normal(shape).astype(dtype)
    return random.integers(0, 2, shape).astype(dtype)
