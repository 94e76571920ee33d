"""What ``edgeseq explain`` says: a table of modules, what a frame costs, the contract or the reasons against it."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edgeseq.cli.summary import explained, memory
from edgeseq.cli.tables import WIDTH, format_bytes, table
from edgeseq.contract import State
from edgeseq.errors import NotStreamable
from edgeseq.exporters.diagnosis.counting import Cost, state_bytes
from edgeseq.exporters.diagnosis.diagnose import Diagnosis
from edgeseq.exporters.diagnosis.modules import Module
from edgeseq.exporters.diagnosis.nodes import detailed, listed
from edgeseq.specs import InputSpec

_NAMED = 2


def report(found: Diagnosis) -> str:
    """The text of a diagnosis."""
    lines = [*_modules(found.module, costed=found.cost is not None), ""]
    if found.cost is not None:
        lines += [*_cost(found.cost, found.graph.plan.multiple), ""]
    if found.contract is not None:
        lines.append(explained(found.contract))
    return "\n".join([*lines, *_refusals(found.refusals)])


def document(found: Diagnosis, specs: Mapping[str, InputSpec]) -> dict[str, Any]:
    """The JSON of a diagnosis."""
    contract = found.contract
    return {
        "format": "edgeseq.explain",
        "version": 1,
        "inputs": {name: str(spec) for name, spec in specs.items()},
        "module": _plain(found.module),
        "cost": None if found.cost is None else _cost_of(found.cost),
        "refusals": [
            {"what": error.what, "where": error.where, "why": error.why, "do": error.do} for error in found.refusals
        ],
        "state_bytes_per_stream": None if contract is None else memory(contract),
        "contract": None if contract is None else json.loads(contract.to_json()),
    }


def nodes(found: Diagnosis, name: str | None) -> str:
    """The captured nodes, a line each, or one of them in detail."""
    return "\n".join(listed(found) if name is None else detailed(found, name))


def reasons(count: int) -> str:
    """``1 reason``, ``3 reasons``."""
    return f"{count} reason{'' if count == 1 else 's'}"


def _modules(model: Module, *, costed: bool) -> list[str]:
    head = ["module", "how it streams", "ratio", "delay"]
    rows = [_row(depth, module, above, costed) for depth, module, above in _walked(model, 0, "")]
    return table([*head, "state", "multiply-adds", "reads"] if costed else head, rows)


def _walked(module: Module, depth: int, above: str) -> Iterator[tuple[int, Module, str]]:
    yield depth, module, above
    for part in module.parts:
        yield from _walked(part, depth + 1, module.first)


def _row(depth: int, module: Module, above: str, costed: bool) -> list[str]:
    name = module.path[len(above) + 1 :] if above else module.path
    ratio = "" if module.ratio is None else str(module.ratio)
    delay = "" if module.delay is None else str(module.delay)
    row = [f"{'  ' * depth}{name} {module.kind}".rstrip() if name else module.kind, module.how, ratio, delay]
    if not costed:
        return row
    read = module.cost.weights
    return [*row, _states(module.states), _adds(module.cost), format_bytes(read) if read else ""]


def _adds(cost: Cost) -> str:
    """``3.1 k``, ``64/frame`` for each frame that a cache holds, or both."""
    more = cost.multiply_adds_per_context
    counts = [format_count(cost.multiply_adds)] if cost.multiply_adds else []
    return " + ".join([*counts, f"{format_count(more)}/frame"] if more else counts)


def _states(states: Sequence[State]) -> str:
    """``h, c 512 B``; ``keys, values 256 B/frame`` for caches, per frame of context."""
    parts = []
    for growing in (False, True):
        chosen = [state for state in states if ("capacity" in state.shape) is growing]
        if chosen:
            names = [state.name.rpartition(".")[2] for state in chosen]
            size = sum(state_bytes(state) * (state.ratio if growing else 1) for state in chosen)
            label = ", ".join(names) if len(names) <= _NAMED else f"{len(names)} states"
            parts.append(f"{label} {format_bytes(int(size))}{'/frame' if growing else ''}")
    return ", ".join(parts)


def _cost(cost: Cost, frames: int) -> list[str]:
    """What one step costs, in sentences; figures per frame of context only where caches grow."""
    adds = f"{format_count(cost.multiply_adds)} multiply-adds"
    reads = f"{format_bytes(cost.weights)} of weights and {format_bytes(cost.state)} of states read"
    lines = [f"one step{'' if frames == 1 else f' of {frames} frames'}: {adds}, {reads}"]
    if cost.multiply_adds_per_context or cost.state_per_context:
        adds, read = format_count(cost.multiply_adds_per_context), format_bytes(int(cost.state_per_context))
        lines.append(f"and for every frame of context: {adds} multiply-adds, {read} of states read")
    return lines


def format_count(count: float) -> str:
    """``950``, ``12.7 k``, ``3.1 M``."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f}" if count == int(count) else f"{count:.1f}"


def _refusals(refusals: Sequence[NotStreamable]) -> list[str]:
    if not refusals:
        return []
    lines = [f"It does not stream, for {reasons(len(refusals))}. Later ones assume that earlier ones are solved."]
    for number, alike in enumerate(_alike(refusals), 1):
        lines += ["", *_refusal(number, alike)]
    return lines


def _refusal(number: int, alike: Sequence[NotStreamable]) -> list[str]:
    first, label = alike[0], f"{number}. "
    shift = " " * len(label)
    lines = [f"{label}{first.what} at {first.where}"]
    if len(alike) > 1:
        lines += _wrapped("and at " + ", ".join(str(error.where) for error in alike[1:]), shift)
    lines += _wrapped(f"{first.why}.", shift)
    return lines + _wrapped(f"-> {first.do}.", shift) if first.do else lines


def _wrapped(text: str, shift: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=shift, subsequent_indent=shift)


def _alike(refusals: Sequence[NotStreamable]) -> list[list[NotStreamable]]:
    """Refusals that differ in their place only, together."""
    groups: dict[Any, list[NotStreamable]] = {}
    for error in refusals:
        groups.setdefault((error.what, error.why, error.do), []).append(error)
    return list(groups.values())


def _plain(module: Module) -> dict[str, Any]:
    return {
        "path": module.path,
        "class": module.kind,
        "alike": module.alike,
        "how": module.how,
        "ratio": None if module.ratio is None else str(module.ratio),
        "delay": module.delay,
        "states": [state.name for state in module.states],
        "cost": _cost_of(module.cost),
        "refused": module.refused,
        "parts": [_plain(part) for part in module.parts],
    }


def _cost_of(cost: Cost) -> dict[str, float]:
    names = {"weights": "weight_bytes", "state": "state_bytes", "state_per_context": "state_bytes_per_context"}
    return {names.get(name, name): getattr(cost, name) for name in cost.__dataclass_fields__}
