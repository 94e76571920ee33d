"""Golden traces: a small input and what the module made of it, replayed on whatever machine the file has come to.

``NAME.golden.npz`` lies beside ``NAME.onnx``; its format is in ``docs/contract.md``.
"""

from __future__ import annotations

import json
import os
import platform
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeseq.contract import Contract
from edgeseq.errors import ContractError, ModelFileError
from edgeseq.runtime.answers import Answers
from edgeseq.runtime.devices import Array
from edgeseq.runtime.engine import onnxruntime
from edgeseq.runtime.loading import load
from edgeseq.runtime.model import Model
from edgeseq.runtime.schedule import along

FORMAT = "edgeseq.golden"
VERSION = 1
#: No trace is larger once unpacked: what a hostile one may make us allocate.
_LARGEST = 16 * 2**20


@dataclass(frozen=True)
class Trace:
    """One run: ``inputs`` of every frame and conditioning port, cut into ``chunks``, and the module's ``outputs``.

    ``outputs`` are those of the module in float64, rounded to the port's dtype; ``every`` names the axis and the step
    of outputs of which only every n-th value is kept. ``allowed`` is how far a replay may be off, broadcast against
    the output; ``rtol`` times the output's magnitude comes on top.
    """

    digest: str
    chunks: tuple[int, ...]
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]
    allowed: Mapping[str, Array]
    every: Mapping[str, tuple[int, int]]
    rtol: float = 0.0


@dataclass(frozen=True)
class Compared:
    """One output of a replay: the largest error, what is allowed there, and the place if it is too far off."""

    error: float
    allowed: float
    place: tuple[int, ...] | None


@dataclass(frozen=True)
class Replay:
    """What replaying a trace found, and where: file digest, device, onnxruntime, machine."""

    outputs: Mapping[str, Compared]
    frames: int
    settings: Mapping[str, str]

    @property
    def passed(self) -> bool:
        """Whether every output is as near as it has to be."""
        return all(found.place is None for found in self.outputs.values())

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a report."""
        outputs = {name: asdict(found) for name, found in self.outputs.items()}
        return {"passed": self.passed, "frames": self.frames, "outputs": outputs, "settings": dict(self.settings)}


def trace_of(path: str | os.PathLike[str]) -> Path:
    """Where the trace of a model file lies: ``m.golden.npz`` for ``m.onnx``."""
    return Path(path).with_suffix(".golden.npz")


def replay(
    path: str | os.PathLike[str],
    golden: str | os.PathLike[str] | None = None,
    device: str = "cpu",
    threads: int = 1,
    allow_unverified: bool = False,
) -> Replay:
    """Stream the input of the golden trace through the file and compare with what its module gave.

    ``golden`` is the trace, by default the one beside the file. A trace made for another file is refused, unless
    ``allow_unverified``: then it is told how far a changed file is off. Raises ModelFileError, ContractError, or what
    ``load`` raises.
    """
    trace = read_trace(trace_of(path) if golden is None else Path(golden))
    model = load(path, device=device, threads=threads, allow_unverified=allow_unverified)
    if trace.digest != model.contract.digest and not allow_unverified:
        raise ContractError(
            "the golden trace belongs to another file",
            where=str(golden or trace_of(path)),
            got=trace.digest[:19],
            wanted=(model.contract.digest or "none")[:19],
            do="take the one that was written with the model, or export again",
        )
    streamed = _stream(model, trace)
    found = {name: _compare(name, streamed, trace) for name in trace.outputs}
    settings = {
        "digest": str(model.contract.digest),
        "device": str(model.device),
        "onnxruntime": str(onnxruntime().__version__),
        "machine": f"{platform.machine()} {platform.system()}",
    }
    return Replay(found, sum(trace.chunks), settings)


def read_trace(path: Path) -> Trace:
    """The trace in a file; ModelFileError where there is none or it cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(item.file_size for item in archive.infolist())
        if size > _LARGEST:
            raise _unreadable(path, f"it unpacks to {size} bytes, more than {_LARGEST}")
        with np.load(path, allow_pickle=False) as arrays:
            return _trace({name: arrays[name] for name in arrays.files})
    except FileNotFoundError:
        raise ModelFileError(
            "there is no golden trace", where=str(path), do="copy it beside the model, or verify against the module"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError, EOFError, MemoryError) as error:
        raise _unreadable(path, str(error)) from None
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise _unreadable(path, str(error)) from None


def write_trace(path: Path, trace: Trace) -> None:
    """Write a trace, uncompressed; the same trace gives the same bytes."""
    head = {
        "format": FORMAT,
        "version": VERSION,
        "digest": trace.digest,
        "chunks": list(trace.chunks),
        "every": {name: list(kept) for name, kept in trace.every.items()},
        "rtol": trace.rtol,
    }
    arrays = {"trace": np.frombuffer(json.dumps(head).encode(), np.uint8)}
    for prefix in ("inputs", "outputs", "allowed"):
        arrays |= {f"{prefix}/{name}": value for name, value in getattr(trace, prefix).items()}
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _unreadable(path: Path, why: str) -> ModelFileError:
    why = (why.strip().splitlines() or ["it is damaged"])[0].rstrip(" .")
    return ModelFileError("cannot read the golden trace", where=str(path), why=why, do="export the model again")


def _trace(arrays: Mapping[str, Array]) -> Trace:
    head = json.loads(arrays["trace"].tobytes())
    if head["format"] != FORMAT or head["version"] != VERSION:
        raise ValueError(f"it is {head['format']} {head['version']}, not {FORMAT} {VERSION}")
    parts: dict[str, dict[str, Array]] = {"inputs": {}, "outputs": {}, "allowed": {}}
    for name, value in arrays.items():
        prefix, slash, port = name.partition("/")
        if slash:
            parts[prefix][port] = value
    chunks = tuple(int(size) for size in head["chunks"])
    if not chunks or min(chunks) < 1 or set(parts["outputs"]) != set(parts["allowed"]):
        raise ValueError("its parts do not fit together")
    every = {name: (int(axis), int(step)) for name, (axis, step) in head["every"].items()}
    return Trace(str(head["digest"]), chunks, **parts, every=every, rtol=float(head["rtol"]))


def _stream(model: Model, trace: Trace) -> dict[str, Array]:
    """Every frame of every output; of those without a time axis, the last value."""
    contract = model.contract
    known = {port.name for port in (*contract.with_role("frame"), *contract.with_role("conditioning"))}
    if set(trace.inputs) != known or set(trace.outputs) != {port.name for port in contract.with_role("output")}:
        raise ContractError("the golden trace has other inputs or outputs than the model", where=model.path)
    conditioning = {port.name: trace.inputs[port.name] for port in contract.with_role("conditioning")}
    stream = model.stream(conditioning=conditioning or None)
    answers, taken = [], 0
    for size in trace.chunks:
        frames = {
            port.name: trace.inputs[port.name][
                along(port.time_axis or 0, int(taken * port.ratio), int((taken + size) * port.ratio))
            ]
            for port in contract.with_role("frame")
        }
        answers.append(_by_name(contract, stream.step(frames)))
        taken += size
    answers.append(_by_name(contract, stream.flush()))
    return {
        port.name: answers[-1][port.name]
        if port.time_axis is None
        else np.concatenate([answer[port.name] for answer in answers], port.time_axis)
        for port in contract.with_role("output")
    }


def _by_name(contract: Contract, answer: Answers) -> Mapping[str, Array]:
    return answer if isinstance(answer, dict) else {contract.with_role("output")[0].name: answer}


def thinned(array: Array, every: tuple[int, int] | None) -> Array:
    """Every n-th value along an axis, or all of them."""
    if every is None:
        return array
    axis, step = every
    return array[(*(slice(None),) * axis, slice(None, None, step))]


def _compare(name: str, streamed: Mapping[str, Array], trace: Trace) -> Compared:
    wanted = trace.outputs[name].astype(np.float64)
    got = thinned(streamed[name], trace.every.get(name)).astype(np.float64)
    if got.shape != wanted.shape:
        raise ContractError(
            f"the replay of {name} has another shape than the golden trace",
            got=list(got.shape),
            wanted=list(wanted.shape),
        )
    if got.size == 0:
        return Compared(0.0, 0.0, None)
    with np.errstate(invalid="ignore"):
        error = np.where((got == wanted) | (np.isnan(got) & np.isnan(wanted)), 0.0, np.abs(got - wanted))
        allowed = trace.allowed[name] + trace.rtol * np.abs(np.where(np.isfinite(wanted), wanted, 0.0))
    error = np.where(np.isnan(error), np.inf, error)
    place = np.unravel_index(int(np.argmax(error - allowed)), error.shape)
    worst, limit = float(error[place]), float(np.broadcast_to(allowed, error.shape)[place])
    return Compared(worst, limit, tuple(int(i) for i in place) if worst > limit else None)
