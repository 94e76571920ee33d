"""Writing an adopted file: a copy with the contract in its metadata, and a golden trace of what it gives here."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from edgeseq.errors import ModelFileError, UsageError
from edgeseq.modelfile import ModelFile
from edgeseq.runtime.adopting.comparing import Tolerance
from edgeseq.runtime.adopting.laws import Laws
from edgeseq.runtime.golden import LARGEST, Trace, packed, thinned, trace_of, widest, write_trace
from edgeseq.runtime.model import Model
from edgeseq.sealing import seal


def check_out(path: Path, out: str | os.PathLike[str], file: ModelFile) -> Path:
    """``out`` as a path; UsageError where it cannot take a copy of the file at ``path``."""
    if not isinstance(out, (str, os.PathLike)):
        raise UsageError("out must be a str or a Path", got=type(out).__name__)
    target = Path(os.fsdecode(out))
    if target.suffix != ".onnx":
        raise UsageError("out must end in .onnx", got=target.name)
    if not target.parent.is_dir():
        raise UsageError("no such folder", got=str(target.parent))
    if os.path.realpath(target) == os.path.realpath(path):
        raise UsageError("out is the file itself", where=str(path), do="name another: adopt writes a copy")
    if file.external and os.path.realpath(target.parent) != os.path.realpath(path.parent):
        raise UsageError(
            "out lies in another folder than the file",
            where=str(path),
            why=f"its weights lie beside it, in {', '.join(file.external)}",
            do="write out into the same folder",
        )
    return target


def write(model: Model, file: ModelFile, target: Path, tolerance: Tolerance, sidecar: bool) -> None:
    """Write the copy, last, and before it the trace. Raises ModelFileError."""
    trace = _trace(model, tolerance)
    try:
        if trace is None:
            trace_of(target).unlink(missing_ok=True)
        else:
            write_trace(trace_of(target), trace)
    except OSError as error:
        raise ModelFileError("cannot write", where=str(trace_of(target)), why=error.strerror) from None
    seal(target, model.contract, sidecar, source=file.path)


def _trace(model: Model, tolerance: Tolerance) -> Trace | None:
    """What this machine gives for a few frames; None where the shortest stream is too large for a trace."""
    laws = Laws(model, tolerance)
    calls = len(laws.single_calls)
    while calls:
        trace = _of(laws, calls, tolerance)
        if len(packed(trace)) <= LARGEST:
            return trace
        calls //= 2
    return None


def _of(laws: Laws, calls: int, tolerance: Tolerance) -> Trace:
    chunks = laws.single_calls[:calls]
    inputs = laws.first(sum(chunks))
    outputs = laws.streamed(inputs, chunks)
    every = {}
    for port in laws.contract.with_role("output"):
        if (kept := widest(outputs[port.name].shape, port.time_axis)) is not None:
            every[port.name] = kept
    # Half the digits on another machine too: there is no module whose rounding would say more.
    allowed = {
        name: np.broadcast_to(Tolerance()(value).max(initial=0.0), (1,) * value.ndim) for name, value in outputs.items()
    }
    return Trace(
        digest=laws.contract.digest or "",
        chunks=tuple(chunks),
        inputs={**inputs, **laws.given},
        outputs={name: np.ascontiguousarray(thinned(value, every.get(name))) for name, value in outputs.items()},
        allowed={name: np.array(value, np.float64) for name, value in allowed.items()},
        every=every,
        rtol=tolerance.rtol,
    )
