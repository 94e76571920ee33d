"""Models in half precision or on a GPU are exported from a copy in float32 on the CPU, and stay as they are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import Tensor, nn

import edgeseq
from edgeseq import runtime
from edgeseq.errors import EdgeseqError, UsageError
from edgeseq.exporters.preparing import prepared
from edgeseq.exporters.verification import verify
from tests.models import BY_ID

X = {"x": "float32[batch,time,8]"}


class Layers(nn.Module):
    """A buffer that is not saved and a tensor that is no buffer; a GRU and a layer norm."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(8, 8, batch_first=True)
        self.norm = nn.LayerNorm(8)
        self.register_buffer("scale", torch.full((8,), 0.3), persistent=False)
        self.shift = torch.full((8,), 0.7)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.gru(x)[0]) * self.scale + self.shift  # type: ignore[no-any-return]


def layers(dtype: torch.dtype) -> Layers:
    torch.manual_seed(1)
    model = Layers().eval().to(dtype)
    model.shift = model.shift.to(dtype)
    return model


def test_a_module_in_float32_is_itself() -> None:
    model = layers(torch.float32)
    made = prepared(model, X)
    assert made.model is model
    assert made.weights is None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened_exactly(dtype: torch.dtype, tmp_path: Path) -> None:
    model = layers(dtype).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    exported = edgeseq.export(model, X, tmp_path / "m.onnx")
    assert exported.verification.passed
    name = str(dtype).removeprefix("torch.")
    assert exported.contract.provenance["weights"] == f"{name}, computed in float32"
    assert {port.dtype for port in exported.contract.ports} == {"float32"}
    for key, value in model.state_dict().items():
        assert value.dtype == dtype
        assert torch.equal(value, before[key])
    assert model.training
    assert verify(exported.path, model).passed

    stored = {item.name: onnx.numpy_helper.to_array(item) for item in onnx.load(exported.path).graph.initializer}
    bias = next(value for name, value in stored.items() if name.endswith("norm.bias"))
    assert torch.equal(torch.from_numpy(bias.copy()), model.norm.bias.detach().float())


def test_every_tensor_is_widened_and_ties_stay() -> None:
    model: Any = layers(torch.bfloat16)
    model.twin = model.norm
    wide: Any = prepared(model, X).model
    for tensor in (*wide.parameters(), *wide.buffers(), wide.shift):
        assert tensor.dtype == torch.float32
    assert wide.twin.weight is wide.norm.weight
    assert model.shift.dtype == torch.bfloat16


def test_mixed_precision_is_said_so() -> None:
    model = layers(torch.float32)
    model.gru.half()
    assert prepared(model, X).weights == "float16 and float32, computed in float32"


def test_another_device_is_left_for_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a GPU at hand: the copy is made, and every tensor asked to the CPU, for whatever device they name."""
    model = layers(torch.float32)
    asked: list[object] = []
    original = torch.Tensor.to

    def to(tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        asked.append(args[0])
        return original(tensor, *args, **kwargs)

    class Elsewhere:
        type = "cpu"  # what copy.deepcopy asks for

        def __str__(self) -> str:
            return "cuda:0"

    monkeypatch.setattr(torch.Tensor, "device", property(lambda _: Elsewhere()))
    monkeypatch.setattr(torch.Tensor, "to", to)
    made = prepared(model, X)
    monkeypatch.undo()
    assert made.model is not model
    assert made.weights is None
    assert asked.count("cpu") == len(asked) == len([*model.parameters(), *model.buffers()]) + 1


class Held(nn.Module):
    """Keeps a tensor that is the result of a computation, which Python cannot copy."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.product = self.linear.weight * 2

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)  # type: ignore[no-any-return]


class OfItsOwnMind(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x.half())  # type: ignore[no-any-return]


def refusal(model: nn.Module, inputs: dict[str, str], folder: Path) -> EdgeseqError:
    with pytest.raises(EdgeseqError) as caught:
        edgeseq.export(model, inputs, folder / "m.onnx")
    return caught.value


def test_what_cannot_be_copied(tmp_path: Path) -> None:
    error = refusal(Held().half(), X, tmp_path)
    assert str(error).startswith(
        "cannot copy Held to compute it in float32 on the CPU: Only Tensors created explicitly by the user "
    )
    assert error.do == "export model.float().cpu()"


def test_wider_modules_are_refused(tmp_path: Path) -> None:
    assert str(refusal(layers(torch.float64), X, tmp_path)) == (
        "gru.weight_ih_l0 is not float32 (got float64, wanted float32, float16 or bfloat16). Export model.float()."
    )


def test_inputs_stay_in_float32(tmp_path: Path) -> None:
    assert str(refusal(layers(torch.float16), {"x": "float16[batch,time,8]"}, tmp_path)) == (
        "an input is float16[batch,time,8]: the model is in float16 and is computed in float32. Write float32 in the "
        "input spec."
    )


def test_a_forward_that_asks_for_half_precision_itself(tmp_path: Path) -> None:
    error = refusal(OfItsOwnMind().half(), X, tmp_path)
    assert str(error).startswith("the model mixes number types: ")
    assert error.do == (
        "check the types in the input spec; let forward follow them: half precision is computed in float32"
    )


def test_weights_on_the_meta_device(tmp_path: Path) -> None:
    with torch.device("meta"):
        model = nn.Linear(8, 8)
    error = refusal(model, {"input": "float32[batch,time,8]"}, tmp_path)
    assert isinstance(error, UsageError)
    assert str(error) == ("weight has no values: it is on the meta device. Load the weights before exporting.")


# -- tied weights ------------------------------------------------------------------------------------------------------


class Tied(nn.Module):
    """An embedding that is the last layer too, and one GRU used twice."""

    def __init__(self, tie: bool = True) -> None:
        super().__init__()
        self.embed = nn.Embedding(64, 24)
        self.gru = nn.GRU(24, 24, batch_first=True)
        self.head = nn.Linear(24, 64, bias=False)
        if tie:
            self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.gru(self.gru(self.embed(tokens))[0])[0])  # type: ignore[no-any-return]


def matrices(path: Path) -> list[list[int]]:
    sizes = [list(item.dims) for item in onnx.load(path).graph.initializer]
    return sorted(size for size in sizes if len(size) > 1)


@pytest.mark.parametrize("ops", ["ort", "portable"])
def test_tied_weights_are_one_in_the_file(tmp_path: Path, ops: Any) -> None:
    torch.manual_seed(1)
    tokens = {"tokens": "int64[batch,time]"}
    assert edgeseq.export(Tied(), tokens, tmp_path / "m.onnx", ops=ops).verification.passed
    edgeseq.export(Tied(tie=False), tokens, tmp_path / "n.onnx", ops=ops)
    gru = [[1, 72, 24], [1, 72, 24], [1, 144]]  # input weights, recurrent ones and biases: once for both calls
    assert matrices(tmp_path / "m.onnx") == sorted([*gru, [64, 24]])
    assert matrices(tmp_path / "n.onnx") == sorted([*gru, [24, 64], [64, 24]])


def test_onnxruntime_folds_what_stands_for_the_other_copy(tmp_path: Path) -> None:
    edgeseq.export(Tied(), {"tokens": "int64[batch,time]"}, tmp_path / "m.onnx")
    ort = sys.modules["onnxruntime"]
    counts = []
    for level in (ort.GraphOptimizationLevel.ORT_DISABLE_ALL, ort.GraphOptimizationLevel.ORT_ENABLE_ALL):
        options = ort.SessionOptions()
        options.graph_optimization_level = level
        options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
        options.log_severity_level = 3
        ort.InferenceSession(str(tmp_path / "m.onnx"), options)
        nodes = [node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node]
        counts.append(nodes.count("Transpose"))
    assert counts[0] == counts[1] + 1


def test_an_ordinary_model_with_tied_weights(tmp_path: Path) -> None:
    row = BY_ID["gpt"]
    exported = edgeseq.export(row.build(), row.inputs, tmp_path / "m.onnx")
    assert runtime.load(exported.path).contract.with_role("output")
    assert [48, 24] in matrices(exported.path)
    assert [24, 48] not in matrices(exported.path)
