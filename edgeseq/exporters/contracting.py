"""The contract of a planned step graph."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import torch

from edgeseq.contract import Chunk, Contract, Length, Port, Prologue
from edgeseq.exporters.capture import Captured, Input
from edgeseq.exporters.facts import Fact, Summary, Timed
from edgeseq.exporters.framewise import flatten
from edgeseq.exporters.modes.reading import described
from edgeseq.exporters.modes.whole_graph import WholeGraph
from edgeseq.exporters.stepgraph import Output, StepGraph
from edgeseq.exporters.symbols import Size


def contract_of(graph: StepGraph) -> Contract:
    """Ports, states, chunk rule, delays and limits; opset, verification and provenance are filled in later."""
    captured, plan = graph.captured, graph.plan
    ports = [*input_ports(graph), *_constants(graph), *(_output(captured, output) for output in graph.outputs)]
    if plan.uses_remaining:
        rows = ("batch",) if captured.batch is not None else (1,)
        ports.append(Port("remaining", "control", "int64", rows, control="remaining"))
    limits = [limit for limit in (plan.max_context, captured.most) if limit is not None]
    outputs = [port for port in ports if port.role == "output"]
    delays = [math.ceil(port.delay / port.ratio) for port in outputs]
    return Contract(
        ports=tuple(ports),
        states=tuple(plan.states.values()),
        prologue=_prologue(graph),
        chunk=Chunk(multiple=plan.multiple, max=plan.max_frames, max_batched=plan.max_batched),
        delay=max(delays),
        min_frames=least_frames(captured),
        receptive_field=_receptive_field(graph),
        max_context=min(limits, default=None),
        mode=described(graph.mode, **({"layers": plan.approximated} if plan.approximated else {})),
        rules=dict(sorted(plan.rules.items())),
        modules=graph.parts,
    )


def input_ports(graph: StepGraph | WholeGraph) -> list[Port]:
    """The ports of what a user gives: frames, then conditioning."""
    given = {state.initial.port for state in graph.plan.states.values() if state.initial.kind == "conditioning"}
    encoded = graph.prologue.inputs if isinstance(graph, StepGraph) and graph.prologue else []
    ports = [_frames(graph, item) for item in graph.frames]
    for item in graph.captured.inputs:
        if item.spec.time_axis is None:
            only_initial = item.name in given and item.name in graph.dropped and item not in encoded
            default = 0.0 if only_initial else None
            ports.append(
                Port(
                    item.name,
                    "conditioning",
                    item.spec.dtype,
                    item.spec.shape,
                    default=default,
                    range=_range(graph, item),
                )
            )
    return ports


def _constants(graph: StepGraph) -> list[Port]:
    prologue = graph.prologue
    if prologue is None:
        return []
    names = given_by(graph)
    kinds = {name: str(prologue.dtype(name)).removeprefix("torch.") for name in names}
    return [Port(name, "constant", kinds[name], prologue.shapes[name]) for name in names]


def given_by(graph: StepGraph) -> tuple[str, ...]:
    """The outputs of the prologue that the stream needs: those that the step reads, and those that start a state."""
    starting = {state.initial.port for state in graph.plan.states.values() if state.initial.kind == "prologue"}
    names = graph.prologue.outputs if graph.prologue else ()
    return tuple(name for name in names if name in starting or name in graph.given)


def _prologue(graph: StepGraph) -> Prologue | None:
    """The prologue, without its file."""
    if graph.prologue is None or not given_by(graph):
        return None
    return Prologue("model.prologue.onnx", None, tuple(i.name for i in graph.prologue.inputs), given_by(graph))


def _frames(graph: StepGraph | WholeGraph, item: Input) -> Port:
    axis, shape = item.spec.time_axis, list(item.spec.shape)
    assert axis is not None
    shape[axis] = "time"
    ratio = Fraction(item.spec.ratio)
    return Port(item.name, "frame", item.spec.dtype, tuple(shape), axis, ratio=ratio, range=_range(graph, item))


def _range(graph: StepGraph | WholeGraph, item: Input) -> tuple[float, float] | None:
    rows = graph.plan.ranges.get(item.placeholder)
    return None if rows is None else (0, rows - 1)


def _output(captured: Captured, output: Output) -> Port:
    name, fact, dtype = output
    kind = str(dtype).removeprefix("torch.")
    axes = tuple(axis_of(captured, fact, axis, size) for axis, size in enumerate(fact.shape))  # type: ignore[union-attr]
    if isinstance(fact, Timed):
        return Port(
            name, "output", kind, axes, fact.axis, ratio=fact.ratio, delay=max(fact.delay, 0), length=fact.length
        )
    assert isinstance(fact, Summary)
    return Port(name, "output", kind, axes, delay=fact.delay)


def axis_of(captured: Captured, fact: Fact, axis: int, size: Size) -> int | str:
    """An axis of an output as its port names it."""
    if isinstance(fact, Timed) and axis == fact.axis:
        return "time"
    if isinstance(size, int):
        return size
    if size in captured.axes:
        return captured.axes[size]
    times, symbol = size.as_coeff_Mul()
    return f"{int(times)}*{captured.axes[symbol]}"


def least_frames(captured: Captured) -> int:
    """The fewest frames for which every value of the model has a frame, none of them a negative number."""
    lengths: set[Length] = set()
    for node in captured.graph.nodes:
        value = node.meta.get("val")
        for tensor in flatten(list(value) if isinstance(value, tuple) else value):
            if isinstance(tensor, torch.Tensor):
                lengths |= {length for size in captured.shape(tensor) if (length := _of(captured, size)) is not None}
    frames = max(1, captured.least)
    while any(_too_short(length, frames) for length in lengths):
        frames += 1
    return frames


def _of(captured: Captured, size: Any) -> Length | None:
    factor = captured.timed_factor(size)
    return captured.length(factor) if factor is not None else None


def _too_short(length: Length, frames: int) -> bool:
    made = length(frames)
    return made is not None and made < 1


def _receptive_field(graph: StepGraph) -> int | None:
    """Base frames that a frame of output depends on; None where a state carries all of the past."""
    spans = [fact.reads if isinstance(fact, Timed) else None for _, fact, _ in graph.outputs]
    known = [span for span in spans if span is not None]
    if len(known) < len(spans):
        return None
    return math.floor(max(last - first for first, last in known)) + 1
