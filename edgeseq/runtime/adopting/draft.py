"""The inputs of a file that is adopted: which hold frames, which are states, what every call is given besides."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeseq.contract import Axis, Initial, Port, State
from edgeseq.errors import NotDeclared, UsageError
from edgeseq.runtime.adopting.axes import Axes, fitted, told
from edgeseq.runtime.adopting.declared import Declared
from edgeseq.runtime.adopting.pairs import propose
from edgeseq.runtime.adopting.signature import Signature, Value
from edgeseq.runtime.inputs import show


@dataclass(frozen=True)
class Draft:
    """What a contract says of a graph's inputs. ``size``: base frames of every call, where the graph fixes them."""

    frames: tuple[Port, ...]
    given: tuple[Port, ...]
    states: tuple[State, ...]
    size: int | None

    @property
    def batched(self) -> bool:
        """Whether the batch is the caller's choice."""
        return any("batch" in port.shape for port in self.frames)


def draft_of(graph: Signature, declared: Declared, where: str) -> Draft:
    """The inputs as declared; NotDeclared, which proposes what it can, where that leaves one of them open."""
    axes = {value.name: found for value in graph.inputs if (found := _axes(value, declared)) is not None}
    _check_complete(graph, declared, axes, where)
    states = dict(declared.states or {})
    free = [value for value in graph.inputs if value.name not in states and value.name not in declared.constants]
    frames = [_frames(value, axes[value.name], declared) for value in free if axes[value.name].time is not None]
    if not frames:
        raise UsageError(
            "no input of this file holds frames",
            where=where,
            why="of every input it is said that it has another role, or no axis called time",
            do="say where the time axis is: axes={'x': 'batch,time,64'}",
        )
    given = [_given(value, axes[value.name], declared) for value in graph.inputs if value.name in declared.constants]
    given += [_given(value, axes[value.name], declared) for value in free if axes[value.name].time is None]
    batched = any("batch" in port.shape for port in frames)
    pairs = [(graph.input(name), graph.output(output)) for name, output in states.items()]
    return Draft(
        frames=tuple(frames),
        given=tuple(given),
        states=tuple(_state(one, other, axes.get(one.name), batched, declared, where) for one, other in pairs),
        size=_size(frames, axes, where),
    )


def _axes(value: Value, declared: Declared) -> Axes | None:
    """The axes of an input as they were declared, else as the graph tells them; None where it does not."""
    if value.name in declared.axes:
        return fitted(declared.axes[value.name], value)
    known = told(value)
    shape = tuple(axis for axis in known if axis is not None)
    if len(shape) < len(known) or shape.count("time") > 1:
        return None
    return fitted(Axes(shape), value)


def _check_complete(graph: Signature, declared: Declared, axes: dict[str, Axes], where: str) -> None:
    """NotDeclared where an input has no role, or one whose axes are open; states have a rule of their own."""
    states = declared.states or {}
    roles = {*states, *declared.constants, *declared.axes}
    framed = {name for name, found in axes.items() if found.time is not None}
    taken = {*roles, *framed, *states.values()}
    proposed = propose(graph, taken) if declared.states is None or len(roles | framed) < len(graph.inputs) else {}
    missing: dict[str, dict[str, str | None]] = {"states": dict(proposed), "constants": {}, "axes": {}}
    for value in graph.inputs:
        if value.name in proposed or value.name in states:
            continue
        if value.name not in roles | framed:
            missing["constants" if set(value.dims) <= {1} else "axes"][value.name] = None
        elif value.name not in axes:
            missing["axes"][value.name] = None
    if any(missing.values()):
        raise not_declared({key: wanted for key, wanted in missing.items() if wanted}, graph, where)


def not_declared(missing: dict[str, dict[str, str | None]], graph: Signature, where: str) -> NotDeclared:
    """What to raise where ``missing`` has to be said; see :class:`NotDeclared`."""
    why = []
    if pairs := missing.get("states"):
        told_pairs = ", ".join(f"{name}={output}" for name, output in pairs.items())
        why.append(f"names, shapes and dtypes suggest the states {told_pairs}")
    for keyword, lack in (("constants", "neither frames nor a state"), ("axes", "axes that it does not tell")):
        values = [str(value) for value in (*graph.inputs, *graph.outputs) if value.name in missing.get(keyword, {})]
        verb = (
            ("are" if len(values) > 1 else "is") if keyword == "constants" else ("have" if len(values) > 1 else "has")
        )
        why += [f"{', '.join(values)} {verb} {lack}"] if values else []
    said = [f"{keyword}={{{_entries(keyword, wanted)}}}" for keyword, wanted in missing.items()]
    return NotDeclared(
        "the file does not say how it is stepped",
        missing=missing,
        where=where,
        why="; ".join(why),
        do=f"look at it, and say what is right: adopt(path, {', '.join(said)})",
    )


def _entries(keyword: str, wanted: dict[str, str | None]) -> str:
    blank = {"constants": "VALUE", "axes": "'batch,time,...'"}
    return ", ".join(f"{name!r}: {blank[keyword] if value is None else repr(value)}" for name, value in wanted.items())


def _frames(value: Value, axes: Axes, declared: Declared) -> Port:
    return Port(
        value.name,
        "frame",
        value.dtype,
        axes.shape,
        time_axis=axes.time,
        ratio=axes.ratio,
        overlap=declared.overlap.get(value.name, 0),
    )


def _given(value: Value, axes: Axes, declared: Declared) -> Port:
    """A constant, or conditioning: what has axes but no time."""
    if value.name in declared.constants:
        return Port(value.name, "constant", value.dtype, axes.shape, default=float(declared.constants[value.name]))
    return Port(value.name, "conditioning", value.dtype, axes.shape)


def _state(one: Value, other: Value, axes: Axes | None, batched: bool, declared: Declared, where: str) -> State:
    """The state that is read from ``one`` and written to ``other``; a single open axis is that of the batch.

    UsageError where the two cannot be one tensor.
    """
    sizes = zip(one.dims, other.dims, strict=False)
    unlike = any(isinstance(a, int) and isinstance(b, int) and a != b for a, b in sizes)
    if one.dtype != other.dtype or len(one.dims) != len(other.dims) or unlike:
        raise UsageError(
            f"{one.name} and {other.name} are not a state and its next value", where=where, got=f"{one} and {other}"
        )
    shape: list[Axis | None] = list(axes.shape if axes is not None else told(one))
    if shape.count(None) > ("batch" not in shape) or "time" in shape:
        raise not_declared({"axes": {one.name: None}}, Signature((one,), ()), where)
    batch = "batch" if batched else 1
    known = tuple(batch if axis is None or (axis == "batch" and not batched) else axis for axis in shape)
    initial = _initial(one.name, declared.initial.get(one.name, 0), one.dtype, known)
    return State(one.name, one.name, other.name, "recurrent", one.dtype, known, initial=initial)


def _initial(name: str, value: Any, dtype: str, shape: tuple[Axis, ...]) -> Initial:
    """A number for all elements, or an array with size 1 along the axes on which it does not vary."""
    try:
        array = np.asarray(value).astype(dtype)
        exact = bool((array == np.asarray(value)).all()) or np.dtype(dtype).kind == "f"
    except (TypeError, ValueError):
        array, exact = np.zeros(()), False
    if not exact or not np.isfinite(array).all():
        raise UsageError(f"bad initial value of {name}", got=repr(value)[:60], wanted=f"{dtype} values")
    fits = array.ndim == len(shape) and all(size in (1, axis) for size, axis in zip(array.shape, shape, strict=True))
    if array.ndim and not fits:
        raise UsageError(
            f"bad initial value of {name}", got=f"shape {show(array.shape)}", wanted=f"what fills {show(shape)}"
        )
    if array.ndim == 0:
        return Initial() if array == 0 else Initial("fill", value=float(array))
    raw = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()
    return Initial("data", shape=array.shape, base64=base64.b64encode(raw).decode())


def _size(frames: list[Port], axes: dict[str, Axes], where: str) -> int | None:
    """Base frames of a call, where the graph fixes them; UsageError where its inputs do not agree."""
    sizes = set()
    for port in frames:
        fixed = axes[port.name].fixed
        if fixed is not None:
            sizes.add((fixed - port.overlap) / port.ratio)
    if not sizes:
        return None
    size = sizes.pop()
    if sizes or size.denominator != 1 or size < 1:
        raise UsageError(
            "the calls of this file have no whole number of frames",
            where=where,
            got=f"{size} of time, where the graph fixes its inputs",
            do="check overlap and the ratios in axes",
        )
    return int(size)
