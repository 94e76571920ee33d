"""The metric of an exported file on an evaluation file, streamed. Needs no torch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.tasks.dataset import Split
from benchmarks.tasks.metrics import Arrays, Metric
from edgeseq import runtime
from edgeseq.errors import UsageError

#: Streams in lock-step, and frames of one call.
BATCH, CHUNK = 64, 64


def write(path: Path, port: str, split: Split) -> None:
    """The evaluation file: the examples by the name of the input port, and ``targets``."""
    write_arrays(path, {port: split.inputs, "targets": split.targets})


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Arrays by name as ``.npz``, all of it or nothing."""
    scratch = path.with_suffix(".new")
    named: dict[str, Any] = dict(arrays)
    with scratch.open("wb") as file:
        np.savez_compressed(file, **named)
    os.replace(scratch, path)


def read(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an evaluation file."""
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def metric_of(file: Path, data: Arrays, metric: Metric, batch: int = BATCH, chunk: int = CHUNK) -> float:
    """What ``metric`` says of the file's outputs for ``data``, streamed."""
    return metric(streamed(runtime.load(file), data, batch, chunk), data)


def streamed(model: runtime.Model, data: Arrays, batch: int = BATCH, chunk: int = CHUNK) -> dict[str, npt.NDArray[Any]]:
    """Every output by name, with a leading axis of examples; each example is a stream, ``batch`` of them in lock-step.

    The inputs in ``data`` are ``[examples, time, ...]``, all examples of one length, and ``[examples, ...]`` where a
    stream is given something once. UsageError where an input lacks.
    """
    frames = [port.name for port in model.contract.ports if port.role == "frame"]
    given = [port.name for port in model.contract.ports if port.role == "conditioning"]
    names = frames + given
    missing = [name for name in names if name not in data]
    if missing:
        raise UsageError("the data lacks an input of the model", got=", ".join(data), wanted=", ".join(names))
    count = len(data[names[0]])
    parts = []
    for start in range(0, count, batch):
        rows = {name: data[name][start : start + batch] for name in names}
        parts.append(_group(model, {name: rows[name] for name in frames}, {name: rows[name] for name in given}, chunk))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _group(model: runtime.Model, inputs: Arrays, given: Arrays, chunk: int) -> dict[str, npt.NDArray[Any]]:
    rows, frames = next(iter(inputs.values())).shape[:2]
    outputs = [port for port in model.contract.ports if port.role == "output"]
    with model.stream(batch=rows, conditioning=dict(given) or None) as stream:
        starts = range(0, frames, chunk)
        answers = [stream.step({name: x[:, at : at + chunk] for name, x in inputs.items()}) for at in starts]
        answers.append(stream.flush())
    named = [answer if isinstance(answer, dict) else {outputs[0].name: answer} for answer in answers]
    return {
        port.name: named[-1][port.name]
        if port.time_axis is None
        else np.concatenate([answer[port.name] for answer in named], axis=port.time_axis)
        for port in outputs
    }
