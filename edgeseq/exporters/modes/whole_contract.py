"""The contract of a whole graph: one call per sequence, or one per hop of a window."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from edgeseq.contract import Chunk, Contract, Initial, Port, State
from edgeseq.errors import UsageError
from edgeseq.exporters.contracting import axis_of, input_ports
from edgeseq.exporters.facts import Summary, Timed
from edgeseq.exporters.modes.reading import described
from edgeseq.exporters.modes.whole_graph import WholeGraph
from edgeseq.exporters.modes.window import Window
from edgeseq.exporters.modes.window_sizes import Windows, check_delays, delay_of, filler, history, windows_of
from edgeseq.exporters.symbols import mentions


def whole_contract(graph: WholeGraph) -> Contract:
    """Ports, states, chunk rule, delays and limits, as ``contract_of`` gives them for a step graph."""
    outputs = [_output(graph, name, node) for name, node in graph.captured.outputs]
    contract = Contract(
        ports=(*input_ports(graph), *outputs),
        states=(),
        chunk=Chunk(multiple=graph.plan.multiple),
        min_frames=graph.least,
        max_context=graph.most,
        mode=described(graph.mode),
    )
    return _windowed(graph, contract) if isinstance(graph.mode, Window) else contract


def windows_in(graph: WholeGraph, contract: Contract) -> Windows:
    """Where the windows of a graph lie."""
    assert isinstance(graph.mode, Window)
    periods = [port.length.period for port in contract.with_role("output") if port.length is not None]
    step = math.lcm(graph.plan.multiple, graph.captured.multiple, *periods)
    return windows_of(graph.mode, step, contract.min_frames, graph.most)


def _output(graph: WholeGraph, name: str, node: torch.fx.Node) -> Port:
    captured, value = graph.captured, node.meta["val"]
    shape = captured.shape(value)
    timed = [axis for axis, size in enumerate(shape) if mentions(size, captured.time)]
    kind = str(value.dtype).removeprefix("torch.")
    if not timed:
        fact = Summary(shape)
        return Port(name, "output", kind, tuple(axis_of(captured, fact, i, size) for i, size in enumerate(shape)))
    length = captured.length(shape[timed[0]])
    if len(timed) > 1 or length is None:
        raise UsageError(
            f"output {name} has no axis that is time alone",
            got=f"[{', '.join(map(str, shape))}]".replace(str(captured.time), "time"),
            do="return it with one axis for time, shared with nothing",
        )
    at = Timed(shape, timed[0], 0, length)
    axes = tuple(axis_of(captured, at, axis, size) for axis, size in enumerate(shape))
    return Port(name, "output", kind, axes, timed[0], ratio=length.ratio, length=length)


def _windowed(graph: WholeGraph, contract: Contract) -> Contract:
    mode = graph.mode
    assert isinstance(mode, Window)
    windows = windows_in(graph, contract)
    ports = [
        replace(port, delay=delay_of(mode, port.length)) if port.role == "output" and port.length else port
        for port in contract.ports
    ]
    made = replace(
        contract,
        ports=tuple(ports),
        chunk=Chunk(multiple=mode.hop, max=mode.hop),
        delay=max(math.ceil(port.delay / port.ratio) for port in ports if port.role == "output"),
        receptive_field=mode.frames,
        mode=described(mode, step=windows.step),
        max_context=None,
    )
    check_delays(made, windows)
    if filler(made):
        rows = ("batch",) if graph.captured.batch is not None else (1,)
        made = replace(made, ports=(*made.ports, Port("remaining", "control", "int64", rows, control="remaining")))
    return replace(made, states=tuple(_states(made, windows)))


def _states(contract: Contract, windows: Windows) -> list[State]:
    """The frames of the past, by input, and how many there have been."""
    states = []
    past = history(contract, windows)
    for port in contract.with_role("frame"):
        axis = port.time_axis or 0
        shape = (*port.shape[:axis], int(past * port.ratio), *port.shape[axis + 1 :])
        name = f"{port.name}.window"
        if past:
            states.append(State(name, name, f"{name}.next", "delay", port.dtype, shape, Initial()))
    states.append(State("window.position", "window.position", "window.position.next", "position", "int64", (1,)))
    return states
