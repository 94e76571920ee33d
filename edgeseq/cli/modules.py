"""The modules of a model told to a person: how each streams, and what a step of it costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from edgeseq.cli.tables import format_bytes, table
from edgeseq.contract import Contract, State
from edgeseq.runtime.budget import grows
from edgeseq.structure import Cost, Part, total

_NAMED = 2


def module_table(parts: Sequence[Part], contract: Contract | None) -> list[str]:
    """A line for each module; without a contract, of a model that does not stream, none of what it costs."""
    head = ["module", "how it streams", "ratio", "delay"]
    costs = [] if contract is None else ["state", "multiply-adds", "reads"]
    states = None if contract is None else {state.name: state for state in contract.states}
    above: list[Part] = []
    rows = []
    for part in parts:
        del above[part.depth :]
        rows.append(_row(part, above[-1].first if above else "", states))
        above.append(part)
    return table([*head, *costs], rows)


def cost_in_words(contract: Contract) -> list[str]:
    """What one step costs, in sentences; figures per frame of context only where caches grow."""
    cost, frames = total(contract.modules), contract.chunk.multiple
    adds = f"{format_count(cost.multiply_adds)} multiply-adds"
    reads = f"{format_bytes(cost.weight_bytes)} of weights and {format_bytes(cost.state_bytes)} of states read"
    lines = [f"one step{'' if frames == 1 else f' of {frames} frames'}: {adds}, {reads}"]
    if cost.multiply_adds_per_context or cost.state_bytes_per_context:
        adds = f"{format_count(cost.multiply_adds_per_context)} multiply-adds"
        read = f"{format_bytes(math.ceil(cost.state_bytes_per_context))} of states read"
        lines.append(f"and for every frame of context: {adds}, {read}")
    return lines


def format_count(count: float) -> str:
    """``950``, ``12.7 k``, ``3.1 M``."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f}" if count == int(count) else f"{count:.1f}"


def _row(part: Part, above: str, states: Mapping[str, State] | None) -> list[str]:
    name = part.path[len(above) + 1 :] if above else part.path
    called = f"{'  ' * part.depth}{name} {part.kind}".rstrip() if name else part.kind
    ratio = "" if part.ratio is None else str(part.ratio)
    delay = "" if part.delay is None else str(part.delay)
    row = [called, part.how, ratio, delay]
    if states is None:
        return row
    own = [states[name] for name in part.states if name in states]
    read = part.cost.weight_bytes
    return [*row, _states(own, part.cost), _adds(part.cost), format_bytes(read) if read else ""]


def _adds(cost: Cost) -> str:
    """``3.1 k``, ``64/frame`` for each frame that a cache holds, or both."""
    more = cost.multiply_adds_per_context
    counts = [format_count(cost.multiply_adds)] if cost.multiply_adds else []
    return " + ".join([*counts, f"{format_count(more)}/frame"] if more else counts)


def _states(states: Sequence[State], cost: Cost) -> str:
    """``h, c 512 B``; ``keys, values 256 B/frame`` for caches, per frame of context."""
    parts = []
    for growing, size in ((False, cost.state_bytes), (True, cost.state_bytes_per_context)):
        names = [state.name.rpartition(".")[2] for state in states if grows(state) is growing]
        if names:
            label = ", ".join(names) if len(names) <= _NAMED else f"{len(names)} states"
            parts.append(f"{label} {format_bytes(math.ceil(size))}{'/frame' if growing else ''}")
    return ", ".join(parts)
