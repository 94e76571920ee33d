"""A session on a device: what its execution provider refuses, and which nodes would run elsewhere than asked for."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from edgeseq.errors import EdgeseqError, ProviderError, UsageError
from edgeseq.runtime.capture import Graphs
from edgeseq.runtime.devices import CUDA, EXTRA, Device, read_by_host
from edgeseq.runtime.engine import open_session
from edgeseq.runtime.logs import LOGGER, engine_severity

#: Nodes that an error names, the rest are counted.
_NAMED = 8
#: What onnxruntime says on standard error unless the log is switched on.
_ERRORS = 3
#: What its messages begin with: places in its source, and a code.
_CODE = re.compile(r"^.*\[ONNXRuntimeError\] : [0-9]+ : [A-Z_]+ : ")


def open_on(device: Device, path: str, threads: int = 1, spinning: bool = True) -> Any:
    """A session over the file at ``path`` on ``device``: all of it, unless nodes on the CPU are allowed there.

    Raises ModelFileError or ProviderError.
    """
    if device.first == "CPUExecutionProvider" and not device.options:
        return open_session(path, threads, device.providers, spinning)
    providers, prepare = (device.providers[:1], _strict) if device.strict else (device.providers, _recorded)
    try:
        session = open_session(path, threads, providers, spinning, prepare)
    except EdgeseqError as error:
        raise _explained(device, path, threads, error) from error
    check_used(device, session)
    _check_options(device, session)
    _check_taken(device, session, path)
    _check_memory(device, session, path)
    return session


def open_captured(device: Device, path: str, threads: int, spinning: bool, wanted: bool | None) -> tuple[Any, Device]:
    """A session as :func:`open_on` gives it, and the device with its CUDA graphs where there are to be some.

    ``wanted`` None: where the model can be captured. UsageError or ProviderError where it is wanted and cannot be.
    """
    possible = device.kind == "cuda" and device.first == CUDA
    if wanted and not possible:
        raise UsageError("a CUDA graph is captured on an NVIDIA GPU", got=str(device), do="load with device='cuda:0'")
    if not possible or wanted is False:
        return open_on(device, path, threads, spinning), device
    try:
        session = open_on(
            replace(device, options=(*device.options, ("enable_cuda_graph", "1"))), path, threads, spinning
        )
        why = _why_uncaptured(session)
    except EdgeseqError as error:
        session, why = None, _CODE.sub("", error.why or error.what)
    if why is None:
        return session, replace(device, graphs=Graphs(required=wanted is True))
    session = open_on(device, path, threads, spinning)
    nodes = on_cpu(session)
    if nodes:
        why = f"{_count(nodes)} on the CPU, the first is {nodes[0]}"
    if wanted:
        raise ProviderError(
            "this model cannot be captured as a CUDA graph",
            where=path,
            why=why,
            do="load it without cuda_graph=True: it is then captured where it can be",
        )
    LOGGER.info("%s is not captured as a CUDA graph: %s", path, why)
    return session, replace(device, uncaptured=why)


def _why_uncaptured(session: Any) -> str | None:
    """Why the steps of a session cannot be captured, beside what onnxruntime refuses: other nodes than of shapes."""
    read = sorted(read_by_host(session))
    return f"it reads {read[0]} in the processor's memory" if read else None


def on_cpu(session: Any) -> list[str]:
    """The nodes that a session runs on the CPU, as ``op name``; empty where onnxruntime does not tell."""
    ask = getattr(session, "get_provider_graph_assignment_info", None)
    if ask is None:
        return []
    parts = [part for part in ask() if part.ep_name == "CPUExecutionProvider"]
    return [f"{node.op_type} {node.name}".strip() for part in parts for node in part.get_nodes()]


def _explained(device: Device, path: str, threads: int, error: EdgeseqError) -> EdgeseqError:
    """What ``error`` comes from: the file, nodes that would run on the CPU, or else the provider."""
    lenient = _opened(path, threads, device.providers) if device.strict else None
    if lenient is not None:
        check_used(device, lenient)
        if on_cpu(lenient):
            return _nodes_refused(device, lenient, path)
    if lenient is None and _opened(path, threads, ["CPUExecutionProvider"]) is None:
        return error
    return ProviderError(
        f"{device.first} cannot run this model",
        where=path,
        why=_CODE.sub("", error.why or error.what),
        got=", ".join(f"{name}={value}" for name, value in device.options) or None,
        do=f"run {EXTRA}" if "cudnn" in str(error).lower() else None,
    )


def _opened(path: str, threads: int, providers: list[Any]) -> Any:
    """A session, nodes on the CPU allowed; None where it cannot be opened."""
    try:
        return open_session(path, threads, providers, True, _recorded)
    except EdgeseqError:
        return None


def _recorded(options: Any) -> None:
    if engine_severity() == _ERRORS:
        options.log_severity_level = _ERRORS + 1  # what it refuses is said by the exception, or tried another way
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")


def _strict(options: Any) -> None:
    _recorded(options)
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")


def check_used(device: Device, session: Any) -> None:
    """ProviderError for a session that fell back to the CPU."""
    wanted = device.first
    if wanted not in session.get_providers():
        raise ProviderError(
            f"onnxruntime could not use {device}",
            why="it says why on standard error",
            got=", ".join(session.get_providers()),
            wanted=wanted,
            do=f"run {EXTRA}" if wanted == CUDA else "check the driver and the libraries that it needs",
        )


def _check_options(device: Device, session: Any) -> None:
    """ProviderError where an option was given that the provider does not know: some of them drop it silently."""
    known = session.get_provider_options().get(device.first, {})
    unknown = [name for name, _ in device.options if name not in known]
    # A provider that reports nothing may take options all the same; that of the CPU has none.
    if unknown and (known or device.first == "CPUExecutionProvider"):
        raise ProviderError(
            f"{device.first} takes no option {unknown[0]!r}", wanted=", ".join(sorted(known)) or "no options at all"
        )


def _check_taken(device: Device, session: Any, path: str) -> None:
    """ProviderError where no node at all runs on another provider than the CPU's, unless that is allowed."""
    ask = getattr(session, "get_provider_graph_assignment_info", None)
    taken_by = {part.ep_name for part in ask()} if ask is not None else set()
    if taken_by == {"CPUExecutionProvider"} and device.first not in taken_by and not device.cpu_nodes:
        raise ProviderError(
            f"{device.first} takes no node of this model",
            where=path,
            why="all of it would run on the CPU",
            do="leave the provider out, or allow it with allow_cpu_nodes=True (--allow-cpu-nodes)",
        )


def _check_memory(device: Device, session: Any, path: str) -> None:
    """ProviderError where the graph reads its inputs in memory that nobody writes: it would see the first frame only.

    An input bound elsewhere than where the graph reads it is copied once, when it is bound.
    """
    ask = getattr(session, "get_input_memory_infos", None)
    if device.kind != "cpu" or ask is None:
        return
    elsewhere = {info.name for info in ask() if not info.name.lower().startswith(("cpu", "openvino"))}
    if elsewhere:
        raise ProviderError(
            f"{device.first} reads its inputs in memory of its own",
            where=path,
            got=", ".join(sorted(elsewhere)),
            wanted="inputs in the memory of the processor",
            do="take another provider",
        )


def _nodes_refused(device: Device, session: Any, path: str) -> ProviderError:
    nodes = on_cpu(session)
    more = f", and {len(nodes) - _NAMED} more" if len(nodes) > _NAMED else ""
    return ProviderError(
        f"{_count(nodes)} of this model would run on the CPU, not on {device}",
        where=path,
        why="there is no CUDA kernel, or onnxruntime computes parts of a shape there",
        got=", ".join(nodes[:_NAMED]) + more,
        do="allow them with allow_cpu_nodes=True (--allow-cpu-nodes), at the price of copies in every step, or use "
        "device='cpu'",
    )


def _count(nodes: list[str]) -> str:
    return "one node" if len(nodes) == 1 else f"{len(nodes)} nodes"
