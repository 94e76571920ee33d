"""Whole sequences: all frames in, all frames out, through a stream or, where a file has no states, in one call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeseq.contract import axis_parts
from edgeseq.errors import ContextFull, ProviderError, UsageError
from edgeseq.runtime.answers import Answers
from edgeseq.runtime.conditioning import bind_conditioning
from edgeseq.runtime.devices import Array
from edgeseq.runtime.engine import engine_errors, first_line
from edgeseq.runtime.finite import check_finite
from edgeseq.runtime.foreign import as_array
from edgeseq.runtime.inputs import by_name, check_frames, check_names, known_shape
from edgeseq.runtime.schedule import lengths_at_end

if TYPE_CHECKING:
    from edgeseq.runtime.model import Model

_FINITE = "give finite values, or run with on_nonfinite='pass'"


def run_whole(model: Model, frames: Any, conditioning: Mapping[str, Any] | None, on_nonfinite: str) -> Answers:
    """Every output for a whole sequence; see ``Model.run``."""
    ports = model.contract.with_role("frame")
    frames = by_name(frames, {}, ports, "as a dict by name")
    check_names(frames, ports, "the inputs", model.contract.with_role("conditioning"))
    frames = {name: as_array(name, value) for name, value in frames.items()}
    batch = _batch(model, frames)
    if not model.contract.whole_sequences:
        return _streamed(model, frames, batch, conditioning, on_nonfinite)
    made = _called(model, frames, batch, conditioning, on_nonfinite == "raise")
    return made if len(made) > 1 else next(iter(made.values()))


def refuse_stream(model: Model) -> None:
    """UsageError where the file of a model runs whole sequences, so that there is nothing to stream."""
    if model.contract.whole_sequences:
        raise UsageError(
            "this file does not stream",
            why="it was exported with mode Sequence: it has no state and takes a whole sequence at once",
            do="call model.run(x), or export with another mode",
        )


def _batch(model: Model, frames: Mapping[str, Any]) -> int:
    """Rows of the first input that has them."""
    for port in model.contract.with_role("frame"):
        value = frames[port.name]
        for axis, size in enumerate(port.shape):
            times, name = axis_parts(size) if isinstance(size, str) else (1, "")
            if name == "batch" and isinstance(value, np.ndarray) and value.ndim == len(port.shape):
                return max(1, int(value.shape[axis]) // times)
    return 1


def _streamed(
    model: Model, frames: Mapping[str, Any], batch: int, conditioning: Mapping[str, Any] | None, on_nonfinite: str
) -> Answers:
    with model.stream(batch, conditioning, on_nonfinite=on_nonfinite) as stream:
        first, last = stream.step(frames), stream.flush()
    outputs = model.contract.with_role("output")
    if not isinstance(first, dict) or not isinstance(last, dict):
        axis = outputs[0].time_axis
        return last if axis is None else np.concatenate([first, last], axis)
    return {
        port.name: last[port.name]
        if port.time_axis is None
        else np.concatenate([first[port.name], last[port.name]], port.time_axis)
        for port in outputs
    }


def _called(
    model: Model, frames: Mapping[str, Any], batch: int, conditioning: Mapping[str, Any] | None, finite: bool
) -> dict[str, Array]:
    contract = model.contract
    arrays, sizes = bind_conditioning(contract, conditioning, batch)
    ports = contract.with_role("frame")
    total = check_frames(frames, ports, {port.name: known_shape(port.shape, sizes) for port in ports}, finite)
    for name in conditioning or () if finite else ():
        check_finite(name, arrays[name], _FINITE)
    if contract.max_context is not None and total > contract.max_context:
        raise ContextFull("the sequence is too long", got=f"{total} frames", wanted=f"at most {contract.max_context}")
    lengths_at_end(contract, total)
    names = [port.name for port in contract.with_role("output")]
    known = {value.name for value in model.session.get_inputs()}
    feeds = {name: value for name, value in {**arrays, **frames}.items() if name in known}
    try:
        return dict(zip(names, model.session.run(names, feeds), strict=True))
    except engine_errors() as error:
        raise ProviderError("onnxruntime failed", where=model.path, why=first_line(error)) from error
