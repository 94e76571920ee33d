"""Golden traces: a small input and what the module made of it, replayed on whatever machine the file has come to.

``NAME.golden.npz`` lies beside ``NAME.onnx``; its format is in ``docs/contract.md``.
"""

from __future__ import annotations

import io
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeseq.contract import Contract
from edgeseq.contract_fields import is_number
from edgeseq.errors import ContractError, ModelFileError
from edgeseq.files import write_whole
from edgeseq.runtime.answers import Answers
from edgeseq.runtime.devices import Array
from edgeseq.runtime.engine import onnxruntime
from edgeseq.runtime.loading import describe, load
from edgeseq.runtime.model import Model
from edgeseq.runtime.npz import read_npz
from edgeseq.runtime.schedule import along
from edgeseq.strict_json import read_json

FORMAT = "edgeseq.golden"
VERSION = 1
#: The largest trace that is read: what a hostile one may make us allocate.
_LARGEST = 16 * 2**20
#: The largest that is written: a trace travels with its model and must not be what makes the download large.
LARGEST = 256 * 1024
#: Values of one frame of output that are kept; of a wider one, such as the logits of a vocabulary, every n-th is.
_VALUES = 256


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
    threads: int | None = None,
    allow_unverified: bool = False,
    provider: str | None = None,
    *,
    provider_options: Mapping[str, Any] | None = None,
    allow_cpu_nodes: bool = False,
    cuda_graph: bool | None = None,
) -> Replay:
    """Stream the input of the golden trace through the file and compare with what its module gave.

    ``golden`` is the trace, by default the one beside the file. A trace made for another file is refused, unless
    ``allow_unverified``: then it is told how far a changed file is off. Raises ModelFileError, ContractError, or what
    ``load`` raises.
    """
    more: dict[str, Any] = {"provider_options": provider_options, "allow_cpu_nodes": allow_cpu_nodes}
    model = load(path, device, threads, allow_unverified, provider, cuda_graph=cuda_graph, **more)
    trace = read_trace(trace_of(path) if golden is None else Path(golden))
    if trace.digest != model.contract.digest and not allow_unverified:
        raise ContractError(
            "the golden trace belongs to another file",
            where=str(golden or trace_of(path)),
            got=trace.digest[:19],
            wanted=(model.contract.digest or "none")[:19],
            do="take the one that was written with the model, or export again",
        )
    streamed = _stream(model, trace)
    digest = describe(path).file.digest
    found = {name: _compare(name, streamed, trace) for name in trace.outputs}
    settings = {
        "digest": digest,
        "device": str(model.device),
        "onnxruntime": str(onnxruntime().__version__),
        "machine": f"{platform.machine()} {platform.system()}",
    }
    return Replay(found, sum(trace.chunks), settings)


def read_trace(path: Path) -> Trace:
    """The trace in a file; ModelFileError where there is none or it cannot be read."""
    try:
        return _trace(read_npz(path, _LARGEST))
    except FileNotFoundError:
        raise ModelFileError(
            "there is no golden trace",
            where=str(path),
            do="copy it beside the model, or verify against the module, a quantized file against its float file",
        ) from None
    except (OSError, ValueError) as error:
        why = (str(error).strip().splitlines() or ["it is damaged"])[0].rstrip(" .")
        raise ModelFileError(
            "cannot read the golden trace", where=str(path), why=why, do="export the model again"
        ) from None


def write_trace(path: Path, trace: Trace) -> None:
    """Write a trace, whole or not at all. Raises OSError."""
    content = packed(trace)
    write_whole(path, lambda file: file.write(content))


def packed(trace: Trace) -> bytes:
    """A trace as the bytes of its file, uncompressed; the same trace gives the same bytes."""
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
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def _trace(arrays: Mapping[str, Array]) -> Trace:
    """The trace that the arrays of a file make; ValueError where they do not."""
    head: Any = read_json(arrays["trace"].tobytes()) if "trace" in arrays else None
    if not isinstance(head, dict) or head.get("format") != FORMAT or head.get("version") != VERSION:
        raise ValueError(f"it is not {FORMAT} {VERSION}")
    parts: dict[str, dict[str, Array]] = {"inputs": {}, "outputs": {}, "allowed": {}}
    for name, value in arrays.items():
        prefix, slash, port = name.partition("/")
        if slash and prefix in parts:
            parts[prefix][port] = value
        elif name != "trace":
            raise ValueError(f"it has an entry {name[:60]!r}")
    if set(parts["outputs"]) != set(parts["allowed"]):
        raise ValueError("its outputs and what is allowed for them do not fit together")
    chunks, digest, rtol = head.get("chunks"), head.get("digest"), head.get("rtol")
    if not isinstance(chunks, list) or not chunks or not all(type(size) is int and size > 0 for size in chunks):
        raise ValueError("its chunks are not numbers from 1")
    if not isinstance(digest, str) or not is_number(rtol) or rtol < 0:
        raise ValueError("its digest or its rtol is broken")
    for name, value in parts["allowed"].items():
        _check_allowed(name, value, parts["outputs"][name])
    return Trace(digest, tuple(chunks), **parts, every=_every(head.get("every"), parts["outputs"]), rtol=float(rtol))


def _check_allowed(name: str, allowed: Array, output: Array) -> None:
    fits = allowed.ndim == output.ndim and all(
        one in (1, other) for one, other in zip(allowed.shape, output.shape, strict=True)
    )
    if allowed.dtype != np.float64 or not fits or not (np.isfinite(allowed) & (allowed >= 0)).all():
        raise ValueError(f"what it allows for {name[:60]!r} is broken")


def _every(every: Any, outputs: Mapping[str, Array]) -> dict[str, tuple[int, int]]:
    """The axis and the step of every thinned output."""
    found: dict[str, tuple[int, int]] = {}
    for name, kept in every.items() if isinstance(every, dict) else [("", None)]:
        axis, step = kept if isinstance(kept, list) and len(kept) == 2 else (-1, -1)
        whole = type(axis) is int and type(step) is int and name in outputs
        if not whole or not 0 <= axis < outputs[name].ndim or not 1 <= step < 2**31:
            raise ValueError(f"what it keeps of {name[:60]!r} is broken")
        found[name] = (axis, step)
    return found


def _stream(model: Model, trace: Trace) -> dict[str, Array]:
    """Every frame of every output; of those without a time axis, the last value."""
    contract = model.contract
    known = {port.name for port in (*contract.with_role("frame"), *contract.with_role("conditioning"))}
    if set(trace.inputs) != known or set(trace.outputs) != {port.name for port in contract.with_role("output")}:
        raise ContractError("the golden trace has other inputs or outputs than the model", where=model.path)
    frames_in = sum(trace.chunks)
    for port in contract.with_role("frame"):
        array, axis = trace.inputs[port.name], port.time_axis or 0
        if array.ndim != len(port.shape) or array.shape[axis] != frames_in * port.ratio:
            raise ContractError(
                f"the golden trace has another shape of {port.name} than its chunks",
                where=model.path,
                got=list(array.shape),
                wanted=f"{frames_in * port.ratio} frames",
            )
    conditioning = {port.name: trace.inputs[port.name] for port in contract.with_role("conditioning")}
    if contract.whole_sequences:
        timed = {port.name: trace.inputs[port.name] for port in contract.with_role("frame")}
        return dict(_by_name(contract, model.run(timed, conditioning or None, on_nonfinite="pass")))
    stream = model.stream(conditioning=conditioning or None, on_nonfinite="pass")
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


def widest(shape: tuple[int, ...], time_axis: int | None) -> tuple[int, int] | None:
    """The widest axis but time and the step along it that leaves ``_VALUES`` of a frame; None for a narrow frame."""
    sizes = [1 if axis == time_axis else size for axis, size in enumerate(shape)]
    values = int(np.prod(sizes))
    if values <= _VALUES:
        return None
    axis = int(np.argmax(sizes))
    return axis, min(sizes[axis], -(-values // _VALUES))


def _compare(name: str, streamed: Mapping[str, Array], trace: Trace) -> Compared:
    promised, answer = trace.outputs[name], thinned(streamed[name], trace.every.get(name))
    if (answer.dtype, answer.shape) != (promised.dtype, promised.shape):
        raise ContractError(
            f"the replay of {name} has another dtype or shape than the golden trace",
            got=f"{answer.dtype} {list(answer.shape)}",
            wanted=f"{promised.dtype} {list(promised.shape)}",
        )
    wanted, got = promised.astype(np.float64), answer.astype(np.float64)
    if got.size == 0:
        return Compared(0.0, 0.0, None)
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.where((got == wanted) | (np.isnan(got) & np.isnan(wanted)), 0.0, np.abs(got - wanted))
        error = np.where(np.isnan(error), np.inf, error)
        allowed = trace.allowed[name] + trace.rtol * np.abs(np.where(np.isfinite(wanted), wanted, 0.0))
        excess = error - allowed  # NaN where both are infinite, which is no excess
    place = np.unravel_index(int(np.argmax(np.where(np.isnan(excess), -np.inf, excess))), error.shape)
    worst, limit = float(error[place]), float(np.broadcast_to(allowed, error.shape)[place])
    return Compared(worst, limit, tuple(int(i) for i in place) if worst > limit else None)
