"""The one wall around onnxruntime: finding it, opening a session, running a binding, its exceptions."""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Callable
from typing import Any

from edgeseq.errors import ContractError, EdgeseqError, ModelFileError, ProviderError
from edgeseq.runtime.logs import engine_severity

#: onnxruntime's exceptions share no base but ``Exception``; the names are those of its pybind module.
_ERROR_NAMES = (
    "DeviceReset",
    "EPFail",
    "EngineError",
    "Fail",
    "InvalidArgument",
    "InvalidGraph",
    "InvalidProtobuf",
    "ModelLoadCanceled",
    "ModelLoaded",
    "ModelRequiresCompilation",
    "NoModel",
    "NoSuchFile",
    "NotFound",
    "NotImplemented",
    "RuntimeException",
)
_DISTRIBUTION = re.compile(r"(onnxruntime(?:_gpu)?)-[^-]+\.dist-info$", re.IGNORECASE)
#: Those that speak of the provider rather than of the file when a session is opened.
_PROVIDER_ERROR_NAMES = frozenset({"DeviceReset", "EPFail", "EngineError", "NotImplemented", "RuntimeException"})


@functools.cache
def onnxruntime() -> Any:
    """The onnxruntime package; ProviderError where it is missing, or installed twice in one place."""
    if {"onnxruntime", "onnxruntime_gpu"} <= _installed():
        raise ProviderError(
            "both onnxruntime and onnxruntime-gpu are installed",
            why="the two wheels overwrite each other's files",
            do="run pip uninstall -y onnxruntime onnxruntime-gpu, then pip install 'edgeseq[cpu]' or 'edgeseq[gpu]'",
        )
    # From 1.29 on its Linux wheels report usage over the network, from a thread of their own, unless told not to.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime as package
    except ImportError as error:
        raise ProviderError(
            "onnxruntime cannot be imported",
            why=str(error),
            do="install it with pip install 'edgeseq[cpu]', or 'edgeseq[gpu]' for NVIDIA GPUs",
        ) from error
    return package


def _installed() -> set[str]:
    """The distributions of onnxruntime on the path. ``importlib.metadata`` finds them too; its import takes 10 ms."""
    found = set()
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        found |= {match[1].lower() for name in names if (match := _DISTRIBUTION.match(name))}
    return found


@functools.cache
def engine_errors() -> tuple[type[Exception], ...]:
    """The exceptions that onnxruntime raises; RuntimeError and MemoryError are what pybind makes of C++'s own."""
    onnxruntime()
    from onnxruntime.capi import onnxruntime_pybind11_state as native

    return (*(getattr(native, name) for name in _ERROR_NAMES if hasattr(native, name)), RuntimeError, MemoryError)


def open_session(
    path: str,
    threads: int,
    providers: list[Any],
    spinning: bool = True,
    prepare: Callable[[Any], None] | None = None,
) -> Any:
    """An ``InferenceSession`` over the file at ``path``; ModelFileError or ProviderError where it cannot be opened.

    ``spinning``: threads that wait for work keep their cores busy for a while, as is onnxruntime's default.
    ``prepare`` may change the session's options before it is opened.
    The path is passed on rather than the bytes, since external data lies beside the file.
    """
    package = onnxruntime()
    options = package.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = package.ExecutionMode.ORT_SEQUENTIAL
    if not spinning:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = engine_severity()
    if prepare is not None:
        prepare(options)
    try:
        # Its own way back to the CPU prints, and nobody asked for it.
        return package.InferenceSession(path, options, providers=providers, enable_fallback=0)
    except engine_errors() as error:
        raise _session_error(path, error) from error


def _session_error(path: str, error: Exception) -> EdgeseqError:
    if type(error).__name__ in _PROVIDER_ERROR_NAMES:
        return ProviderError("onnxruntime cannot run this model", where=path, why=first_line(error))
    return ModelFileError(
        "cannot load the model",
        where=path,
        why=first_line(error),
        do="check that this is a whole ONNX file, and export it again if it was cut short",
    )


def first_line(error: Exception) -> str:
    """What onnxruntime said, without its list of nodes and without a full stop."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(" .") if lines else type(error).__name__


def check_version(wanted: str) -> None:
    """Refuse an onnxruntime older than the contract's floor, written ``>=1.22``."""
    match = re.fullmatch(r">=\s*([0-9]{1,9})\.([0-9]{1,9})(?:\.[0-9]+)?", wanted.strip())
    if match is None:
        raise ContractError(
            "broken contract", where="contract.onnxruntime", got=repr(wanted), wanted="such as '>=1.22'"
        )
    version = str(onnxruntime().__version__)
    major, minor = version.split(".")[:2]
    if (int(major), int(minor)) < (int(match[1]), int(match[2])):
        raise ProviderError(
            "onnxruntime is too old for this file",
            got=version,
            wanted=wanted,
            do="run pip install --upgrade onnxruntime",
        )


def bound_run(session: Any) -> Callable[[Any, Any], None]:
    """What runs a handle made by :func:`binding_handle`: ``run(handle, run_options())``.

    The public ``run_with_iobinding`` spends a third of a microsecond on checks for WebGPU; where its inner function can
    be reached we call that one.
    """
    inner = getattr(getattr(session, "_sess", None), "run_with_iobinding", None)
    return inner if inner is not None else session.run_with_iobinding  # type: ignore[no-any-return]


def run_options() -> Any:
    """Run options to keep: without any, onnxruntime builds its own in every run, which takes half a microsecond."""
    return onnxruntime().RunOptions()


def binding_handle(session: Any, binding: Any) -> Any:
    """The form of an ``IOBinding`` that :func:`bound_run` takes."""
    inner = getattr(getattr(session, "_sess", None), "run_with_iobinding", None)
    return binding._iobinding if inner is not None else binding
