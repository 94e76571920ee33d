"""Strangers' files: weights inside the body of a loop, and weights that are nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeseq.errors import UsageError
from edgeseq.quantization import Int4Weights, Int8Static, Int8Weights, quantize
from edgeseq.quantization.configs import Config
from edgeseq.runtime.adopting.adopt import adopt
from tests.quantization.graphs import random

WEIGHTS = {"W": random(48, 64) / 7, "U": random(64, 64) / 9}
STEP = [
    helper.make_node("MatMul", ["frame", "W"], ["given"]),
    helper.make_node("MatMul", ["before", "U"], ["carried"]),
    helper.make_node("Add", ["given", "carried"], ["gate"]),
    helper.make_node("Tanh", ["gate"], ["after"]),
    helper.make_node("Identity", ["after"], ["frame_out"]),
]


def _value(name: str, *shape: str | int | None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def adopted(folder: Path, *, nodes: bool) -> Path:
    """An RNN as a Scan whose weights stand in its body, or are ``nodes`` beside it."""
    constants = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array))
        for name, array in WEIGHTS.items()
    ]
    held = [] if nodes else [numpy_helper.from_array(array, name) for name, array in WEIGHTS.items()]
    ends = [_value("before", None, 64), _value("frame", None, 48)]
    results = [_value("after", None, 64), _value("frame_out", None, 64)]
    body = helper.make_graph(STEP, "body", ends, results, held)
    axes: dict[str, Any] = {"num_scan_inputs": 1, "scan_input_axes": [1], "scan_output_axes": [1]}
    loop = helper.make_node("Scan", ["h", "x"], ["hn", "y"], body=body, **axes)
    graph = helper.make_graph(
        [*constants, loop] if nodes else [loop],
        "rnn",
        [_value("x", "batch", "time", 48), _value("h", "batch", 64)],
        [_value("y", "batch", "time", 64), _value("hn", "batch", 64)],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(made, folder / "stranger.onnx")
    adopt(folder / "stranger.onnx", {"h": "hn"}, out=folder / "m.onnx", axes={"x": "batch,time,48"})
    return folder / "m.onnx"


@pytest.mark.parametrize("nodes", [False, True], ids=["in the body", "as nodes"])
@pytest.mark.parametrize(("config", "least"), [(Int8Weights(), 35.0), (Int4Weights(), 15.0)], ids=["8", "4"])
def test_a_loop(config: Config, least: float, nodes: bool, tmp_path: Path) -> None:
    done = quantize(adopted(tmp_path, nodes=nodes), config, tmp_path / "q.onnx", measure=False)
    assert len(done.report.nodes) == 2
    found = done.report.outputs["y"]
    assert found is not None
    assert found > least


def test_what_calibration_cannot_see_is_named(tmp_path: Path) -> None:
    path = adopted(tmp_path, nodes=False)
    with pytest.raises(UsageError, match=r"nothing to quantize: .*calibration cannot see into a loop"):
        quantize(path, Int8Static(), tmp_path / "q.onnx", calibration=[{"x": random(4, 80, 48)}], measure=False)
    assert not (tmp_path / "q.onnx").exists()
