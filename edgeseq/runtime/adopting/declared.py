"""What a caller says of a file that says too little of itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from edgeseq.contract import PERIODS
from edgeseq.contract_fields import is_number
from edgeseq.errors import UsageError
from edgeseq.runtime.adopting.axes import Axes, parse_axes
from edgeseq.runtime.adopting.signature import Signature


@dataclass(frozen=True)
class Declared:
    """Pairs of states, constants, overlaps, axes and initial values by name; the calls; the time from frame to frame.

    ``chunk`` holds the fewest base frames of a call and the most, None for no limit. ``states`` None: nothing was said
    of them.
    """

    states: Mapping[str, str] | None = None
    constants: Mapping[str, float] = field(default_factory=dict)
    overlap: Mapping[str, int] = field(default_factory=dict)
    axes: Mapping[str, Axes] = field(default_factory=dict)
    initial: Mapping[str, Any] = field(default_factory=dict)
    chunk: tuple[int, int | None] | None = None
    frame_period: float | None = None
    recipe: str | None = None

    def over(self, base: Declared) -> Declared:
        """This, and of ``base`` what it leaves open."""
        joined: dict[str, Any] = {}
        for item in fields(self):
            own, other = getattr(self, item.name), getattr(base, item.name)
            if isinstance(own, Mapping) and isinstance(other, Mapping):
                joined[item.name] = {**other, **own}
            else:
                joined[item.name] = other if own is None else own
        return Declared(**joined)


def declare(
    states: Mapping[str, str] | None,
    constants: Mapping[str, float] | None,
    overlap: Mapping[str, int] | None,
    axes: Mapping[str, str] | None,
    initial: Mapping[str, Any] | None,
    chunk: int | tuple[int, int | None] | None,
    frame_period: float | None,
) -> Declared:
    """What the arguments of ``adopt`` declare; UsageError where one of them is not of its kind."""
    for name, given in (("states", states), ("constants", constants), ("overlap", overlap), ("axes", axes)):
        if not isinstance(given, Mapping | None):
            raise UsageError(f"{name} is not a dict", got=type(given).__name__, wanted="a dict by name")
    if frame_period is not None and not (is_number(frame_period) and PERIODS[0] <= frame_period <= PERIODS[1]):
        raise UsageError(
            "bad frame_period", got=repr(frame_period), wanted="from {:g} to {:g} seconds".format(*PERIODS)
        )
    return Declared(
        states=states,
        constants={name: _constant(name, value) for name, value in (constants or {}).items()},
        overlap={name: _count(f"overlap of {name}", value, 0) for name, value in (overlap or {}).items()},
        axes={name: parse_axes(name, text) for name, text in (axes or {}).items()},
        initial=dict(initial or {}),
        chunk=_chunk(chunk),
        frame_period=frame_period,
    )


def check_names(declared: Declared, graph: Signature, where: str) -> None:
    """UsageError where something is said of an input or output that the graph does not have, or said twice."""
    inputs, outputs = ({value.name for value in side} for side in (graph.inputs, graph.outputs))
    states = declared.states or {}
    _known("states", states, inputs, where)
    _known("states", states.values(), outputs, where, "an output")
    _known("constants", declared.constants, inputs - set(states), where)
    _known("overlap", declared.overlap, inputs - set(states) - set(declared.constants), where)
    _known("axes", declared.axes, inputs | outputs, where, "an input or an output")
    _known("initial", declared.initial, set(states), where, "a state")
    if len(set(states.values())) < len(states):
        raise UsageError("two states have one output", where=where, got=", ".join(states.values()))


def _known(keyword: str, given: Any, known: set[str], where: str, kind: str = "an input") -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        raise UsageError(
            f"{keyword} names what is not {kind} of this file, or has another role",
            where=where,
            got=", ".join(unknown),
            wanted=", ".join(sorted(known)) or "nothing",
        )


def _constant(name: str, value: object) -> float:
    value = int(value) if isinstance(value, bool) else value
    if not is_number(value) or not math.isfinite(value):
        raise UsageError(
            f"constant {name} is not a number", got=repr(value), wanted="one finite number, for all its elements"
        )
    return value


def _count(what: str, value: object, least: int) -> int:
    if type(value) is not int or not least <= value < 2**31:
        raise UsageError(f"{what} must be a whole number from {least}", got=repr(value))
    return value


def _chunk(chunk: object) -> tuple[int, int | None] | None:
    if chunk is None:
        return None
    least, most = chunk if isinstance(chunk, tuple) and len(chunk) == 2 else (chunk, None)
    least = _count("chunk", least, 1)
    if most is not None and _count("the most frames of a call", most, 1) < least:
        raise UsageError("the most frames of a call are fewer than the fewest", got=f"{most} and {least}")
    return least, most
