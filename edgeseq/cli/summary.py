"""A contract told to a person: ports, states, memory, delay, limits, what was verified."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from edgeseq.cli.durations import format_duration, format_rate, rate_of
from edgeseq.cli.modules import cost_in_words, module_table
from edgeseq.cli.quantization import node_tables, quantization_facts
from edgeseq.cli.tables import format_bytes, table
from edgeseq.contract import Axis, Contract, Port, Session, State, axis_parts
from edgeseq.modelfile import read_model_file
from edgeseq.runtime.budget import grows, held_bytes, overlap_bytes

_LABEL = 17
_ROOM = 83


def describe(path: Path, contract: Contract, doubt: str | None = None, size: int | None = None) -> str:
    """The text of ``edgeseq inspect``, from the contract and the size of the file alone.

    ``doubt`` says why the verification in the contract does not count. ``size`` is in bytes, data files beside the
    model included; it is looked up where not given.
    """
    head = f"{path}  {format_bytes(read_model_file(path).size if size is None else size)}"
    return "\n".join([head, "", *_told(contract, _facts(contract, doubt))])


def explained(contract: Contract) -> str:
    """What :func:`describe` says of a contract that has no file yet, without what only a file can tell."""
    later = ("opset", "onnxruntime", "verified", "made by")
    return "\n".join(_told(contract, [fact for fact in _facts(contract, None) if fact[0] not in later]))


def _told(contract: Contract, facts: list[tuple[str, str]]) -> list[str]:
    lines = _modules(contract)
    lines += _inputs([port for port in contract.ports if port.role != "output"])
    lines += _outputs(contract.with_role("output"))
    lines += _states(contract.states)
    lines += [] if contract.quantization is None else node_tables(contract.quantization)
    for label, text in facts:
        first, *rest = textwrap.wrap(text, _ROOM) or ["nothing"]
        lines += [f"{label:<{_LABEL}}{first}", *(f"{'':<{_LABEL}}{line}" for line in rest)]
    return lines


def seconds(contract: Contract) -> dict[str, float | None] | None:
    """The contract's counts of frames in seconds, None for one without a limit; None without a frame period."""
    period = contract.frame_period
    if period is None:
        return None
    counts = {
        "frame_period": 1,
        "delay": contract.delay,
        "receptive_field": contract.receptive_field,
        "shortest_stream": contract.min_frames,
        "runs_for": contract.max_context,
    }
    return {name: None if count is None else count * period for name, count in counts.items()}


def memory(contract: Contract) -> dict[str, int | None]:
    """Bytes of state of one stream: fixed, per base frame of capacity, and at ``max_context``.

    Each state counts once, and so do frames kept for the next call; ``held`` is what edgeseq's runtime holds at
    ``max_context``, where states that are not updated in place have two copies. A state with a dynamic axis of its own
    makes ``fixed`` and ``held`` unknown: None.
    ``at_max_context`` is None without a limit, ``held`` where caches grow without one.
    """
    fixed = overlap_bytes(contract)
    per_frame = Fraction(0)
    for state in contract.states:
        size = _row_bytes(state)
        if grows(state):
            per_frame += (size or 0) * state.ratio
        else:
            fixed = None if fixed is None or size is None else fixed + size
    growing = math.ceil(per_frame)
    full = None
    if contract.max_context is not None and fixed is not None:
        full = fixed + math.ceil(per_frame * contract.max_context)
    held = held_bytes(contract, contract.max_context)
    return {"fixed": fixed, "per_frame_of_capacity": growing, "at_max_context": full, "held": held}


def _modules(contract: Contract) -> list[str]:
    if not contract.modules:
        return []
    counted = [] if contract.quantization is None else ["weights are counted as in the float file"]
    return [*module_table(contract.modules, contract), "", *cost_in_words(contract), *counted, ""]


def _inputs(ports: list[Port]) -> list[str]:
    rows = [[port.name, port.role, port.dtype, _shape(port.shape), _port_note(port)] for port in ports]
    return [*table(["inputs", "role", "dtype", "shape", ""], rows), ""]


def _outputs(ports: tuple[Port, ...]) -> list[str]:
    rows = [[port.name, port.dtype, _shape(port.shape), _port_note(port)] for port in ports]
    return [*table(["outputs", "dtype", "shape", ""], rows), ""]


def _states(states: tuple[State, ...]) -> list[str]:
    if not states:
        return ["no states: every call stands alone", ""]
    rows = [
        [
            state.name,
            state.kind,
            state.dtype,
            _shape(state.shape),
            _initial(state),
            str(state.start),
            _state_bytes(state),
        ]
        for state in states
    ]
    return [*table(["states", "kind", "dtype", "shape", "initial", "start", "bytes per stream"], rows), ""]


def _facts(contract: Contract, doubt: str | None) -> list[tuple[str, str]]:
    facts = [
        ("mode", "; ".join(filter(None, [mode_in_words(contract.mode), "quantized" if contract.quantization else ""]))),
        ("approximation", _approximation(contract)),
        ("frame period", _period(contract.frame_period)),
        ("delay", frames(contract.delay, contract)),
        ("receptive field", _limit(contract.receptive_field, contract)),
        ("chunk", _chunk(contract)),
        ("shortest stream", frames(contract.min_frames, contract) if contract.min_frames > 1 else None),
        ("runs for", runs_for(contract)),
        ("memory", _memory(contract)),
        ("held in memory", _held(contract)),
        ("prologue", _prologue(contract)),
        ("opset", _pairs(contract.opset) or "not said"),
        ("onnxruntime", contract.onnxruntime),
        ("verified", f"unverified: {doubt}" if doubt else _verification(contract.verification)),
        *([] if contract.quantization is None else quantization_facts(contract.quantization)),
        ("session", _session(contract.session)),
        ("foreign rules", ", ".join(f"{op} by {origin}" for op, origin in contract.rules.items()) or None),
        ("made by", _pairs(contract.provenance) or "not said"),
    ]
    return [(label, text) for label, text in facts if text is not None]


def mode_in_words(mode: Mapping[str, Any]) -> str:
    """``window: frames 64, hop 8``, and for which layers, where only some approximate."""
    counts = {name: value for name, value in mode.items() if type(value) is int and (value or name != "lookahead")}
    if not counts:
        return _pairs({"name": mode["name"]} if "name" in mode else {})
    text = f"{mode.get('name')}: {', '.join(f'{name} {value:,}' for name, value in counts.items())}"
    layers = mode.get("layers")
    names = [str(layer.get("name")) for layer in layers if isinstance(layer, dict)] if isinstance(layers, list) else []
    return f"{text}, of {', '.join(names)}" if names else text


def _approximation(contract: Contract) -> str | None:
    """How far an approximate file is from its model; of a quantized one, how far its float file was."""
    found = error_in_words(contract.mode)
    return found if found is None or not contract.quantization else f"in the float file: {found}"


def error_in_words(mode: Mapping[str, Any]) -> str | None:
    """How far the file is from the model on whole sequences; None for one that approximates nothing."""
    error = mode.get("error")
    if not isinstance(error, dict) or not isinstance(error.get("outputs"), dict):
        return None
    told = [f"{name} {_distance(found)}" for name, found in error["outputs"].items() if isinstance(found, dict)]
    on = f"{error.get('frames')} frames of {error.get('input')} input"
    return f"against the model on whole sequences, {on}: {'; '.join(told)}"


def _distance(found: Mapping[str, Any]) -> str:
    number = {name: value for name, value in found.items() if isinstance(value, (int, float))}
    text = ", ".join(
        f"{word} {number[name]:.3g}" for name, word in (("max_abs", "max"), ("rms", "rms")) if name in number
    )
    return f"{text}, {number['snr_db']:.1f} dB" if "snr_db" in number else text


def _prologue(contract: Contract) -> str | None:
    """What is run once per stream, and from what."""
    named = contract.prologue
    if named is None:
        return None
    return f"{named.file}, run once per stream on {', '.join(named.inputs)}"


def _session(session: Session | None) -> str | None:
    """How the file is opened, and where."""
    if session is None:
        return None
    place = session.machine
    threads = "1 thread" if session.threads == 1 else f"{session.threads} threads"
    waiting = "" if session.threads == 1 else ", which spin" if session.spinning else ", which do not spin"
    cores = f"{place.cores} core{'' if place.cores == 1 else 's'}"
    return f"{threads}{waiting}, on {place.cpu} ({place.architecture}, {cores}): least {session.minimized}"


def _period(period: float | None) -> str | None:
    return None if period is None else f"{format_duration(period)} ({format_rate(rate_of(period))})"


def frames(count: int, contract: Contract) -> str:
    """Base frames in words, in seconds too where the contract has a frame period."""
    text = f"{count:,} frame{'' if count == 1 else 's'}"
    if contract.frame_period is None or count == 0:
        return text
    return f"{text} ({format_duration(count * contract.frame_period)})"


def _limit(count: int | None, contract: Contract) -> str:
    return "unlimited" if count is None else frames(count, contract)


def _chunk(contract: Contract) -> str:
    chunk = contract.chunk
    text = "any number of frames" if chunk.multiple == 1 else f"a multiple of {frames(chunk.multiple, contract)}"
    text += " per call"
    if chunk.max is not None and chunk.max == chunk.multiple:
        return f"{frames(chunk.max, contract)} per call; edgeseq's runtime takes any number and makes the calls"
    if chunk.max is not None:
        text += f", at most {chunk.max:,}"
    if chunk.max_batched is not None and chunk.max_batched != chunk.max:
        text += f", at most {chunk.max_batched:,} when batched"
    return text


def runs_for(contract: Contract) -> str:
    """How long a stream can be."""
    if contract.max_context is None:
        return "unlimited"
    return f"{frames(contract.max_context, contract)}, then ContextFull"


def _memory(contract: Contract) -> str:
    sizes = memory(contract)
    fixed, growing, full = sizes["fixed"], sizes["per_frame_of_capacity"], sizes["at_max_context"]
    text = "depends on a dynamic axis" if fixed is None else f"{format_bytes(fixed)} of state per stream"
    if growing:
        text += f", {format_bytes(growing)} per frame of capacity"
        if full is not None and contract.max_context is not None:
            text += f" ({format_bytes(full)} at {contract.max_context:,} frames)"
    return text


def _held(contract: Contract) -> str | None:
    """What the runtime allocates, where that is not what was said before."""
    sizes = memory(contract)
    if sizes["held"] is None or sizes["held"] in (sizes["fixed"], sizes["at_max_context"]):
        return None
    return f"{format_bytes(sizes['held'])} by edgeseq's runtime: what is not updated in place has two copies"


def _verification(report: Mapping[str, Any] | None) -> str:
    if report is None:
        return "no: the file holds no verification"
    checks = report.get("checks")
    if not isinstance(checks, list):
        return _pairs(report) or "yes, without saying what"
    names = [str(check.get("name")) for check in checks if isinstance(check, dict)]
    failed = [str(check.get("name")) for check in checks if isinstance(check, dict) and check.get("passed") is not True]
    if failed:
        return f"FAILED: {', '.join(failed)}"
    passed = f"{len(names)} check{'' if len(names) == 1 else 's'} passed: {', '.join(names)}"
    return "; ".join([passed, *_followed(report.get("settings")), *_doubts(report.get("doubts"))])


def _doubts(doubts: object) -> list[str]:
    """What a verification could not show, where it says so."""
    return [f"doubtful: {doubt}" for doubt in doubts] if isinstance(doubts, list) else []


def _followed(settings: object) -> list[str]:
    """How far a verification went, on what, and what the user allowed on top; nothing of what it does not say."""
    if not isinstance(settings, dict):
        return []
    told = []
    far = settings.get("horizon")
    if isinstance(far, dict) and isinstance(far.get("frames"), int):
        told.append(f"followed for {far['frames']:,} frames, bounded by {far.get('limit')}")
        if isinstance(windows := far.get("windows"), dict):
            told.append(f"the model amplifies rounding: from frame {windows.get('whole')} on in windows")
    if settings.get("against") == "itself":
        told.append("against itself, for it was made elsewhere")
    if settings.get("inputs") not in (None, "random"):
        told.append(f"on {settings['inputs']}")
    told += [f"{name} {settings[name]} allowed on top" for name in ("atol", "rtol") if settings.get(name)]
    return told


def _port_note(port: Port) -> str:
    notes = []
    if port.ratio != 1:
        notes.append(f"{port.ratio} per base frame")
    if port.delay:
        notes.append(f"{port.delay} late")
    if port.overlap:
        notes.append(f"overlap {port.overlap}")
    if port.role == "conditioning":
        notes.append("required" if port.default is None else f"default {port.default:g}")
    if port.role == "constant":
        notes.append("computed by the prologue" if port.default is None else f"{port.default:g}")
    if port.role == "control":
        notes.append(f"{port.control}, given by the runtime")
    if port.role == "output" and port.time_axis is None:
        notes.append("value so far")
    if port.unit:
        notes.append(port.unit)
    return ", ".join(notes)


def _initial(state: State) -> str:
    initial = state.initial
    if initial.kind == "fill":
        return f"{initial.value:g}"
    if initial.kind in ("conditioning", "prologue"):
        return f"from {initial.port}" + ("" if initial.index is None else f"[{initial.index}]")
    return initial.kind


def _state_bytes(state: State) -> str:
    size = _row_bytes(state)
    if size is None:
        return "depends on its axes"
    if not grows(state):
        return format_bytes(size)
    return f"{format_bytes(math.ceil(size * state.ratio))} per frame"


def _row_bytes(state: State) -> int | None:
    """Bytes at batch 1 and capacity 1; None where another axis is dynamic."""
    size = np.dtype(state.dtype).itemsize
    for axis in state.shape:
        times, name = (axis, "") if isinstance(axis, int) else axis_parts(axis)
        if name not in ("", "batch", "capacity"):
            return None
        size *= times
    return size


def _shape(shape: tuple[Axis, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]"


def _pairs(values: Mapping[str, Any]) -> str:
    if set(values) == {"name"}:
        return str(values["name"])
    return ", ".join(f"{name or 'ai.onnx'} {value}" for name, value in values.items())
