"""Laws and figures that could not have failed: what each of them finds now."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import nn

import edgeseq
from edgeseq import runtime
from edgeseq.errors import VerificationError
from edgeseq.quantization import Int8Static, Int8Weights, kernels, quantize
from edgeseq.quantization.kernels import Kernel
from edgeseq.quantization.laws import Bench, concatenation
from edgeseq.quantization.nodes import Nodes
from edgeseq.quantization.noise import BEYOND, Powers
from edgeseq.quantization.streams import Samples
from edgeseq.verification.arrays import Array, Arrays
from edgeseq.verification.independence import loud_end, rows_in_chunks
from edgeseq.verification.streams import Runs


def test_what_is_not_finite_is_an_error_beyond_any() -> None:
    powers = Powers()
    powers.add(np.array([1.0, -np.inf, 2.0]), np.array([1.0, 5.0, np.nan]))
    assert powers.error == BEYOND
    assert powers.decibels is not None
    assert powers.decibels < -3000
    powers.add(np.array([1.0]), np.array([2.0]))
    assert powers.error == BEYOND


def test_a_file_that_is_not_finite_is_found_out(gru: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(nodes: Nodes, x: ir.Value, matrix: Array, name: str, kernel: Kernel) -> ir.Value:
        return nodes.op("MatMul", [x, nodes.constant(np.full_like(matrix.T, np.inf), name)])

    monkeypatch.setitem(kernels._PRODUCTS, "blocks", endless)
    with pytest.raises(VerificationError, match="output is not finite where it is in float32"):
        quantize(gru, Int8Weights(only=("head",)), tmp_path / "q.onnx", measure=False)
    assert not list(tmp_path.iterdir())


class Peeking:
    """Runs whose first frame of a call has something of its last."""

    def __init__(self, bench: Bench) -> None:
        self._runs, self.contract = bench.runs, bench.contract

    def whole(self, inputs: Arrays, chunks: list[int]) -> Arrays:
        found = self._runs.whole(inputs, chunks)
        found["output"][:, 0] += np.float32(inputs["tokens"][:, -1:])
        return found


def test_another_last_token_is_another_input(language: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = runtime.load(language)
    bench = Bench(model, Samples(model.contract, None))
    assert loud_end(bench).passed
    monkeypatch.setattr(bench, "runs", Peeking(bench))
    assert not loud_end(bench).passed


class Beside(nn.Module):
    """A linear layer and, beside it, a convolution that onnxruntime computes otherwise in other chunks."""

    def __init__(self) -> None:
        super().__init__()
        self.line, self.taps = nn.Linear(32, 64), nn.Conv1d(32, 64, 3)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.line(x), self.taps(nn.functional.pad(x.mT, (2, 0))).mT


def test_an_output_with_nothing_quantized_may_differ_in_other_chunks_as_in_float(tmp_path: Path) -> None:
    torch.manual_seed(0)
    path = edgeseq.export(Beside(), {"x": "float32[batch,time,32]"}, tmp_path / "m.onnx", golden=False).path
    done = quantize(path, Int8Weights(only=("line",)), tmp_path / "q.onnx", measure=False)
    assert done.report.outputs["output.1"] is None
    assert done.report.outputs["output.0"] is not None


class Translating(nn.Module):
    """One layer works on what it is given once, in a prologue, and on every frame, which is far quieter."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Linear(40, 40)

    def forward(self, x: torch.Tensor, speaker: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.shared(x) + self.shared(100 * speaker)[:, None]
        return out


def test_a_prologue_is_not_given_the_scales_of_the_step(tmp_path: Path) -> None:
    torch.manual_seed(0)
    spec = {"x": "float32[batch,time,40]", "speaker": "float32[batch,40]"}
    path = edgeseq.export(Translating(), spec, tmp_path / "m.onnx", golden=False).path
    random = np.random.default_rng(0)
    data = {name: random.standard_normal(shape).astype(np.float32) for name, shape in _SHAPES.items()}
    done = quantize(path, Int8Static(), tmp_path / "q.onnx", calibration=[data], measure=False)
    assert [node.name for node in done.report.nodes] == ["shared"]
    assert [(left.name, left.why[:29]) for left in done.report.left] == [("shared#2", "calibration cannot see into a")]
    found = done.report.outputs["output"]
    assert found is not None
    assert found > 30


_SHAPES = {"x": (4, 80, 40), "speaker": (4, 40)}


def test_a_prompt_in_one_call_is_held_against_single_frames(language: Path, tmp_path: Path) -> None:
    """Batches of a Transformer take a frame a call: of them every chunking would be the same calls."""
    contract = runtime.load(language).contract
    assert contract.chunk.max_batched == 1
    quantize(language, Int8Weights(group=128), tmp_path / "q.onnx", measure=False)
    bench = Bench(runtime.load(tmp_path / "q.onnx"), Samples(contract, None))
    assert rows_in_chunks(bench) == 1
    check = concatenation(bench, Runs(runtime.load(language)))
    assert check.passed
    assert check.worst > 0
