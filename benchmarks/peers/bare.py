"""Graphs with as little as can be in them, to see what the rest of a step's graph costs."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np

from benchmarks.peers.cases import Case
from benchmarks.peers.engines import session_run
from benchmarks.peers.stepping import Array, frames

WARMUP = 100


def empty_graph_us(steps: int) -> float:
    """The median run of a graph that hands one number on: what onnxruntime takes for itself."""
    from onnx import TensorProto, helper

    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("given", "made")]
    graph = helper.make_graph([helper.make_node("Identity", ["given"], ["made"])], "empty", ports[:1], ports[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    one = np.zeros(1, np.float32)
    return bound_run_us(model, {"given": one}, {"made": one}, steps)


def bare_us(case: Case, folder: Path, steps: int) -> float | None:
    """The median run of a recurrent graph that is its layers and its head alone; None for others.

    At batch 1 and one frame the Transpose and Squeeze around a layer move no number, and a layer's last state is its
    output. What this graph saves is what a file for single frames could save.
    """
    import onnx

    if case.position is not None:
        return None
    model = onnx.load(folder / "ort.onnx")
    layers = [node for node in model.graph.node if node.op_type == case.kind]
    head = [node for node in model.graph.node if node.op_type in ("MatMul", "Add")]
    frame = given = model.graph.input[0].name
    for node in layers:
        node.input[0], node.output[0] = given, ""
        given = node.output[1]
    head[0].input[0] = given
    del model.graph.node[:]
    model.graph.node.extend([*layers, *head])
    used = {name for node in model.graph.node for name in node.input}
    for held in [held for held in model.graph.initializer if held.name not in used]:
        model.graph.initializer.remove(held)
    state = np.zeros((1, 1, case.hidden), np.float32)
    inputs = {port.name: frames(folder)[0] if port.name == frame else state for port in model.graph.input}
    answer, *states = [port.name for port in model.graph.output]
    return bound_run_us(
        model, inputs, {answer: np.zeros((1, 1, 32), np.float32), **dict.fromkeys(states, state)}, steps
    )


def bound_run_us(model: Any, inputs: Mapping[str, Array], outputs: Mapping[str, Array], steps: int) -> float:
    """The median run of a model, everything bound once; outputs are like the arrays given."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), session_run.options())
    binding = session.io_binding()
    for name, array in inputs.items():
        binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(array))
    for name, array in outputs.items():
        binding.bind_ortvalue_output(name, fresh(array))
    return timed_us(lambda: session.run_with_iobinding(binding), steps)


def fresh(array: Array) -> Any:
    """Room for another array like this one."""
    import onnxruntime

    return onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros_like(array))


def timed_us(call: Callable[[], object], steps: int) -> float:
    """The median call."""
    samples = []
    for number in range(WARMUP + steps):
        begin = perf_counter_ns()
        call()
        if number >= WARMUP:
            samples.append(perf_counter_ns() - begin)
    return statistics.median(samples) / 1e3
