"""Small ONNX graphs made by hand, run as they are and rewritten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from edgeseq.verification.arrays import Array, Arrays

GATES = {"GRU": 3, "LSTM": 4, "RNN": 1}


def random(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def recurrent(kind: str, direction: str, hidden: int = 16, features: int = 80, **attributes: Any) -> ir.Model:
    """One recurrent layer: ``x`` ``[time, batch, features]``, ``h`` and ``c`` to ``y``, ``h.next`` and ``c.next``."""
    directions = 2 if direction == "bidirectional" else 1
    rows = GATES[kind] * hidden
    weights = {
        "w": random(directions, rows, features, seed=1) * 0.2,
        "r": random(directions, rows, hidden, seed=2) * 0.2,
        "b": random(directions, 2 * rows, seed=3) * 0.2,
    }
    states = ["h", "c"] if kind == "LSTM" else ["h"]
    node = helper.make_node(
        kind,
        ["x", "w", "r", "b", "", *states],
        ["y", *(f"{state}.next" for state in states)],
        hidden_size=hidden,
        direction=direction,
        **{**({"linear_before_reset": 1} if kind == "GRU" else {}), **attributes},
    )
    ends = {"x": ["time", "batch", features], **{state: [directions, "batch", hidden] for state in states}}
    results = {
        "y": ["time", directions, "batch", hidden],
        **{f"{s}.next": [directions, "batch", hidden] for s in states},
    }
    return model([node], ends, results, weights)


def product(outputs: int, inputs: int, seed: int = 1) -> ir.Model:
    """``x`` ``[rows, inputs]`` times a matrix."""
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    return model([node], {"x": ["rows", inputs]}, {"y": ["rows", outputs]}, {"w": random(inputs, outputs, seed=seed)})


def model(
    nodes: Sequence[Any], ends: Mapping[str, list[Any]], results: Mapping[str, list[Any]], weights: Mapping[str, Array]
) -> ir.Model:
    described = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in values.items()]
        for values in (ends, results)
    ]
    held = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(list(nodes), "small", described[0], described[1], held)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    return ir.serde.deserialize_model(made)


def run(graph: ir.Model, inputs: Arrays) -> Arrays:
    """What onnxruntime makes of some inputs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    content = ir.serde.serialize_model(graph).SerializeToString()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(None, inputs), strict=True))
