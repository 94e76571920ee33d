"""Calls of several sizes, and what they tell of outputs, states and the frames that a call may hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from edgeseq.contract import Axis, Chunk, Length, Port, State, resolve_shape
from edgeseq.errors import UsageError
from edgeseq.runtime.adopting.axes import Axes, fitted, told
from edgeseq.runtime.adopting.declared import Declared
from edgeseq.runtime.adopting.draft import Draft, not_declared
from edgeseq.runtime.adopting.probe import Probe, Refused, sizes_of
from edgeseq.runtime.adopting.signature import Signature, Value
from edgeseq.runtime.inputs import show

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Seen:
    """The shapes of all outputs of one call."""

    base_frames: int
    batch: int
    shapes: Mapping[str, Shape]


def look(probe: Probe, declared: Declared, where: str) -> tuple[Chunk, list[Seen]]:
    """The calls that the graph takes, with what each gave: the smallest, longer ones, one with two rows."""
    chunk = _declared_chunk(probe.draft, declared, where)
    try:
        seen = [_see(probe, chunk.multiple, 1)]
    except Refused as error:
        raise UsageError(
            f"the file does not take a call of {_frames(chunk.multiple)}",
            where=where,
            why=str(error),
            do="say how many a call holds (chunk=N), and check axes, constants and overlap",
        ) from None
    longest = chunk.max or 3 * chunk.multiple
    for size in range(2 * chunk.multiple, min(longest, 3 * chunk.multiple) + 1, chunk.multiple):
        try:
            seen.append(_see(probe, size, 1))
        except Refused:
            chunk = Chunk(chunk.multiple, size - chunk.multiple)
            break
    if probe.draft.batched:
        seen.append(_two_rows(probe, chunk.multiple, where))
    return chunk, seen


def _declared_chunk(draft: Draft, declared: Declared, where: str) -> Chunk:
    if draft.size is None:
        return Chunk(*(declared.chunk or (1, None)))
    if declared.chunk is not None and declared.chunk[0] != draft.size:
        raise UsageError(
            "chunk is not what the graph fixes", where=where, got=f"{declared.chunk[0]} frames", wanted=draft.size
        )
    return Chunk(draft.size, draft.size)


def _see(probe: Probe, base_frames: int, batch: int) -> Seen:
    return Seen(base_frames, batch, {name: value.shape for name, value in probe(base_frames, batch).items()})


def _two_rows(probe: Probe, base_frames: int, where: str) -> Seen:
    try:
        return _see(probe, base_frames, 2)
    except Refused as error:
        raise UsageError(
            "the file does not take two rows at once",
            where=where,
            why=str(error),
            do="write 1 for batch in the axes of its inputs, or say which axis of a state is the batch",
        ) from None


def check_states(states: tuple[State, ...], seen: list[Seen], where: str) -> None:
    """UsageError where a state does not come back in the shape that it is read in."""
    for state in states:
        for call in seen:
            wanted = resolve_shape(state.shape, sizes_of(state.shape, call.batch))
            got = call.shapes[state.output]
            if got != wanted:
                raise UsageError(
                    f"{state.output} is not the next value of {state.input}",
                    where=where,
                    why=f"a call of {_frames(call.base_frames)} and {call.batch} row{'s' * (call.batch > 1)} changes "
                    "its shape; a state has one size, and a cache that grows with every call is none",
                    got=show(got),
                    wanted=show(wanted),
                )


def outputs_of(
    graph: Signature, probe: Probe, declared: Declared, chunk: Chunk, seen: list[Seen], where: str
) -> tuple[tuple[Port, ...], Chunk]:
    """The output ports, and the calls that give as many frames as they say.

    What the axes are is declared, or shown by calls of several sizes; where all calls are of one size, or only one
    was run, NotDeclared asks for it.
    """
    taken = {state.output for state in probe.draft.states}
    values = [value for value in graph.outputs if value.name not in taken]
    if not values:
        raise UsageError("every output of this file is a state: it gives nothing", where=where)
    open_ones = [value for value in values if value.name not in declared.axes]
    if open_ones and len({call.base_frames for call in seen}) == 1:
        untold: dict[str, str | None] = {
            value.name: _suggested(value, seen) for value in open_ones if "time" not in _known(value)
        }
        if untold:
            raise not_declared({"axes": untold}, Signature((), tuple(open_ones)), where)
    ports = []
    for value in values:
        axes = declared.axes.get(value.name)
        ports.append(_port(value, fitted(axes, value) if axes else _shown(value, seen, where)))
    return tuple(ports), _taken_calls(ports, chunk, seen, where)


def _known(value: Value) -> tuple[Axis | None, ...]:
    known = told(value)
    return known if None not in known else ()


def _suggested(value: Value, seen: list[Seen]) -> str:
    """The axes of an output as calls of one size show them: frames where an axis is as long as the call."""
    shape = [_rows(value, place, seen) for place in range(len(seen[0].shapes[value.name]))]
    long = [place for place, size in enumerate(shape) if size == seen[0].base_frames > 1]
    return str(Axes(tuple("time" if place in long[:1] else size for place, size in enumerate(shape))))


def _rows(value: Value, place: int, seen: list[Seen]) -> Axis:
    """The size of an axis, in terms of the batch where it doubles with two rows."""
    size = seen[0].shapes[value.name][place]
    if {call.shapes[value.name][place] for call in seen if call.batch == 2} == {2 * size}:
        return "batch" if size == 1 else f"{size}*batch"
    return size


def _shown(value: Value, seen: list[Seen], where: str) -> Axes:
    """The axes of an output as several calls show them."""
    shape = [_rows(value, place, seen) for place in range(len(seen[0].shapes[value.name]))]
    ratio = Fraction(1)
    for place, size in enumerate(shape):
        longer = [(call.base_frames, call.shapes[value.name][place]) for call in seen if call.batch == 1]
        varies = len({found for _, found in longer}) > 1 or _known(value)[place : place + 1] == ("time",)
        if isinstance(size, int) and varies:
            ratio = _ratio(value, longer, where)
            shape[place] = "time"
    return Axes(tuple(shape), ratio)


def _ratio(value: Value, longer: list[tuple[int, int]], where: str) -> Fraction:
    """Frames per base frame, by calls and their frames; UsageError where it is not the same in all."""
    ratios = {Fraction(found, frames) for frames, found in longer}
    if len(ratios) == 1 and 0 not in ratios:
        return ratios.pop()
    counts = ", ".join(f"{found} for {frames}" for frames, found in longer)
    beyond = longer[0][1] - longer[0][0]
    hint = f"overlap={{...: {-beyond}}} if they are the frames before a call" if beyond < 0 else None
    raise UsageError(
        f"{value.name} has no fixed number of frames for each frame of a call",
        where=where,
        got=f"{counts} frames",
        wanted="a call to give what its own frames are owed, no more and no less",
        do=f"check overlap and chunk{f': {hint}' if hint else ''}",
    )


def _port(value: Value, axes: Axes) -> Port:
    over, under = axes.ratio.numerator, axes.ratio.denominator
    length = Length(under, over, tuple(-(-rest * over // under) for rest in range(under)))
    return Port(
        value.name,
        "output",
        value.dtype,
        axes.shape,
        time_axis=axes.time,
        ratio=axes.ratio if axes.time is not None else Fraction(1),
        length=length if axes.time is not None else None,
    )


def _taken_calls(ports: list[Port], chunk: Chunk, seen: list[Seen], where: str) -> Chunk:
    """The calls that give what the ports say; UsageError where the smallest, or one with two rows, does not."""
    for port in ports:
        if (port.ratio * chunk.multiple).denominator != 1:
            raise UsageError(
                f"{port.name} has no whole number of frames in a call",
                where=where,
                got=f"{port.ratio} for each of {_frames(chunk.multiple)}",
                do=f"say chunk={port.ratio.denominator}",
            )
        for call in seen:
            wanted = resolve_shape(port.shape, sizes_of(port.shape, call.batch, int(port.ratio * call.base_frames)))
            if call.shapes[port.name] == wanted:
                continue
            if call.base_frames > chunk.multiple:
                chunk = Chunk(chunk.multiple, min(chunk.max or call.base_frames, call.base_frames - chunk.multiple))
                continue
            raise UsageError(
                f"{port.name} has other axes than declared",
                where=where,
                got=f"{show(call.shapes[port.name])} in a call of {_frames(call.base_frames)}",
                wanted=show(wanted),
            )
    return chunk


def _frames(count: int) -> str:
    return f"{count} frame{'' if count == 1 else 's'}"
