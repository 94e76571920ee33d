"""Nodes and sizes of weights, read without any ONNX library, are those that the ONNX library reads."""

import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeseq.demo.shipped import FOLDER
from edgeseq.errors import ModelFileError
from edgeseq.lab.floor.graphs import identity, product
from edgeseq.modelgraph import read_graph


@pytest.mark.parametrize("name", ["gru.onnx", "gpt.onnx"])
def test_shipped_models_are_read_as_onnx_reads_them(name: str) -> None:
    found, known = read_graph(FOLDER / name), onnx.load(FOLDER / name).graph
    assert [(node.name, node.op, list(node.inputs), list(node.outputs)) for node in found.nodes] == [
        (node.name, node.op_type, list(node.input), list(node.output)) for node in known.node
    ]
    sizes = {item.name: (tuple(item.dims), numpy_helper.to_array(item).nbytes) for item in known.initializer}
    assert {name: (tensor.shape, tensor.bytes) for name, tensor in found.weights.items()} == sizes


def test_constants_inner_graphs_attributes_and_half_bytes_are_read(tmp_path: Path) -> None:
    half = helper.make_tensor("half", TensorProto.INT4, [3], [1, 2, 3])
    constant = helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.ones((2, 5), np.float16)))
    inner = helper.make_graph([helper.make_node("Not", ["a"], ["b"], name="inner")], "inner", [], [])
    outer = helper.make_node("If", ["a"], ["y"], then_branch=inner, else_branch=inner)
    bits = helper.make_node("MatMulNBits", ["x", "half"], ["z"], bits=4, N=7)
    graph = helper.make_graph([constant, outer, bits], "g", [], [], initializer=[half])
    path = tmp_path / "m.onnx"
    path.write_bytes(helper.make_model(graph).SerializeToString())
    found = read_graph(path)
    assert [node.op for node in found.nodes] == ["Constant", "If", "Not", "Not", "MatMulNBits"]
    assert found.nodes[-1].integers == {"bits": 4, "N": 7}
    assert (found.weights["half"].bytes, found.weights["c"].bytes) == (2, 20)


def test_graphs_written_by_hand_are_whole_onnx() -> None:
    weights = np.arange(6, dtype=np.int8).reshape(2, 3)
    for data, op in ((identity(), "Identity"), (product(4, weights), "MatMulInteger")):
        model = onnx.load_model_from_string(data)
        onnx.checker.check_model(model)
        assert [node.op_type for node in model.graph.node] == [op]
    assert numpy_helper.to_array(model.graph.initializer[0]).tolist() == weights.tolist()
    assert math.prod(dim.dim_value for dim in model.graph.output[0].type.tensor_type.shape.dim) == 12


@pytest.mark.parametrize("cut", [1, 100, 1000])
def test_a_file_that_is_cut_short_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes((FOLDER / "gru.onnx").read_bytes()[:-cut])
    with pytest.raises(ModelFileError, match="it is not a whole ONNX file"):
        read_graph(path)
