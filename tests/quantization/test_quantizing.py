"""From a float file to a quantized one: what is in it, what it keeps, what is found where it does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import nn

import edgeseq
from edgeseq import runtime
from edgeseq.errors import UsageError, VerificationError
from edgeseq.quantization import Float16, Int4Weights, Int8Dynamic, Int8Static, Int8Weights, kernels, quantize
from edgeseq.quantization.configs import Config
from edgeseq.quantization.kernels import Kernel
from edgeseq.quantization.nodes import Nodes
from edgeseq.runtime.golden import replay
from edgeseq.verification.arrays import Array


class Doubling(nn.Module):
    """Two frames behind each other for every one that comes, through a GRU."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(24, 40, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.rnn(x.repeat_interleave(2, dim=1))[0]
        return out


CONFIGS: dict[str, tuple[Config, float]] = {
    "blocks": (Int8Dynamic(kernel="blocks"), 34.0),
    "rows": (Int8Dynamic(kernel="rows"), 34.0),
    "a loop": (Int8Dynamic(kernel="rows", one_frame=False), 34.0),
    "static": (Int8Static(), 30.0),
    "weights": (Int8Weights(group=32), 34.0),
    "four bits": (Int4Weights(group=32), 18.0),
    "half": (Float16(), 60.0),
}


def real(source: Path) -> list[dict[str, Array]]:
    """Stands for real inputs, which fixed scales need."""
    random = np.random.default_rng(5)
    if source.stem in ("language", "tied"):
        return [{"tokens": random.integers(0, 50, (4, 200))}]
    return [{"x": random.standard_normal((4, 300, 24)).astype(np.float32)}]


def file(config: Config, source: Path, tmp_path: Path, **options: object) -> runtime.Model:
    given = {"calibration": real(source), **options}
    quantize(source, config, tmp_path / "q.onnx", measure=False, **given)  # type: ignore[arg-type]
    return runtime.load(tmp_path / "q.onnx")


@pytest.mark.parametrize(("config", "least"), CONFIGS.values(), ids=CONFIGS)
def test_a_gru_in_every_kind(config: Config, least: float, gru: Path, tmp_path: Path) -> None:
    model = file(config, gru, tmp_path)
    report = model.contract.quantization
    assert report is not None
    assert {node["name"] for node in report["nodes"]} == {"rnn.layer0", "rnn.layer1", "head"}
    assert report["outputs"]["output"] > least
    assert all(min(node["snr_db"], node["alone_snr_db"]) > least for node in report["nodes"])
    assert report["long_run"]["steps"] == 10_000
    assert report["long_run"]["verdict"] == "steady"
    kept = isinstance(config, Float16)  # the layer's own node stays, and takes any number of frames
    assert report["one_frame"] is (config.one_frame is None and not kept)
    size = (tmp_path / "q.onnx").stat().st_size  # the report and the verification are in it too
    assert size - 6_000 < report["file_bytes_after"] < size < report["file_bytes_before"]
    assert model.contract.verification is not None
    assert [check["name"] for check in model.contract.verification["checks"]] == [
        "nearness",
        "concatenation",
        "neighbours",
        "loud end",
        "futures",
        "reset",
    ]
    assert replay(tmp_path / "q.onnx").passed


def test_a_projected_lstm(projected: Path, tmp_path: Path) -> None:
    model = file(Int8Dynamic(kernel="rows", one_frame=False), projected, tmp_path)
    report = model.contract.quantization
    assert report is not None
    assert [node["kind"] for node in report["nodes"]] == ["lstm"]
    assert not report["left"]
    assert report["outputs"]["output"] > 34.0
    assert "LSTM" not in {node.op_type for node in ir.load(tmp_path / "q.onnx").graph}


def test_a_transformer_with_its_tables_head_and_caches(language: Path, tmp_path: Path) -> None:
    model = file(Int8Weights(group=32, cache="int8"), language, tmp_path)
    report = model.contract.quantization
    assert report is not None
    assert {node["name"]: node["kind"] for node in report["nodes"]} == {
        "tokens": "embedding",
        "positions": "embedding",
        "block.query_key_value": "linear",
        "block.out": "linear",
        "block.mlp.0": "linear",
        "block.mlp.2": "linear",
        "head": "linear",
    }
    assert report["outputs"]["output"] > 30.0
    assert {state.dtype for state in model.contract.states if state.kind == "kv"} == {"int8"}
    assert report["long_run"]["steps"] == 200


@pytest.mark.parametrize("config", [Int8Weights(group=32), Int4Weights(group=32), Float16()], ids=["8", "4", "half"])
def test_a_head_that_is_its_table_lies_in_the_file_once(config: Config, tied: Path, tmp_path: Path) -> None:
    model = file(config, tied, tmp_path)
    report = model.contract.quantization
    assert report is not None
    after = {node["name"]: node["bytes_after"] for node in report["nodes"] if node["bytes_before"] == 50 * 32 * 4}
    assert len(after) == 2
    assert min(after.values()) == 0
    assert report["outputs"]["output"] > 15.0
    large = [value for value in ir.load(tmp_path / "q.onnx").graph.initializers.values() if 50 in value.shape]  # type: ignore[operator]
    assert sum(value.const_value.nbytes > 400 for value in large if value.const_value is not None) == 1


def test_a_cache_is_asked_for_where_there_is_none(gru: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no cache that can be kept in 8 bits"):
        quantize(gru, Int8Weights(cache="int8"), tmp_path / "q.onnx", measure=False)
    assert not list(tmp_path.iterdir())


def test_one_scale_for_all_rows_is_found_out(gru: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What onnxruntime's own tools make: the scale of a call is that of its loudest row."""

    def coupled(nodes: Nodes, x: ir.Value, matrix: Array, name: str, kernel: Kernel) -> ir.Value:
        integers, scale, zero = nodes.several("DynamicQuantizeLinear", [x], 3)
        weights = nodes.constant(np.round(matrix.T / np.abs(matrix).max() * 127).astype(np.int8), name)
        sums = nodes.op("Cast", [nodes.op("MatMulInteger", [integers, weights, zero])], to=ir.DataType.FLOAT)
        whole = nodes.constant(np.float32(np.abs(matrix).max() / 127), f"{name}.scale")
        return nodes.op("Mul", [nodes.op("Mul", [sums, scale]), whole])

    monkeypatch.setitem(kernels._PRODUCTS, "rows", coupled)
    with pytest.raises(VerificationError, match="the law of neighbours fails: row 0 beside rows 1000 times as loud"):
        quantize(gru, Int8Dynamic(kernel="rows"), tmp_path / "q.onnx", measure=False)
    assert not list(tmp_path.iterdir())


def test_more_noise_than_signal_is_refused(gru: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def other(nodes: Nodes, x: ir.Value, matrix: Array, name: str, kernel: Kernel) -> ir.Value:
        return nodes.op("MatMul", [x, nodes.constant(-3 * matrix.T, name)])

    monkeypatch.setitem(kernels._PRODUCTS, "rows", other)
    with pytest.raises(VerificationError, match="the law of nearness fails: output has more noise than signal"):
        quantize(gru, Int8Dynamic(kernel="rows"), tmp_path / "q.onnx", measure=False)
    assert not list(tmp_path.iterdir())


def test_min_sqnr_gives_more_bits_to_what_costs_most(gru: Path, tmp_path: Path) -> None:
    plain = file(Int4Weights(group=32), gru, tmp_path).contract.quantization
    better = file(Int4Weights(group=32), gru, tmp_path, min_sqnr=30.0).contract.quantization
    assert plain is not None
    assert better is not None
    assert plain["outputs"]["output"] < 30.0 <= better["outputs"]["output"]
    assert any(node["scheme"].startswith("int8") for node in better["nodes"])
    assert better["file_bytes_after"] > plain["file_bytes_after"]


def test_what_nothing_can_give_is_refused(gru: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing can be quantized within what is asked for"):
        quantize(gru, Int8Dynamic(kernel="rows"), tmp_path / "q.onnx", measure=False, min_sqnr=90.0)
    assert not list(tmp_path.iterdir())


def test_frames_that_come_in_twos_are_not_taken_for_one(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Doubling()
    edgeseq.export(model, {"x": "float32[batch,time,24]"}, tmp_path / "float.onnx", golden=False)
    with pytest.raises(UsageError, match="cannot be called with one frame at a time"):
        quantize(tmp_path / "float.onnx", Int8Weights(one_frame=True), tmp_path / "q.onnx", measure=False)
    done = quantize(tmp_path / "float.onnx", Int8Weights(), tmp_path / "q.onnx", measure=False)
    assert done.report.one_frame is False
    assert done.report.outputs["output"] > 34.0  # type: ignore[operator]


def test_a_contract_asks_for_the_onnxruntime_that_its_forms_need(language: Path, gru: Path, tmp_path: Path) -> None:
    floors = [
        file(config, source, tmp_path).contract.onnxruntime
        for config, source in (
            (Int8Weights(), gru),
            (Int8Weights(only=("head",)), language),
            (Int8Weights(), language),
            (Int8Weights(cache="int8"), language),
        )
    ]
    assert floors == [">=1.22", ">=1.22", ">=1.23", ">=1.28"]


def test_patterns_choose_nodes(gru: Path, tmp_path: Path) -> None:
    config = replace(Int8Weights(), only=("rnn.*",), keep=("*layer1",))
    report = file(config, gru, tmp_path).contract.quantization
    assert report is not None
    assert [node["name"] for node in report["nodes"]] == ["rnn.layer0"]
    assert {left["name"] for left in report["left"]} == {"rnn.layer1", "head"}


def test_the_same_file_twice_is_the_same_bytes(gru: Path, tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        file(Int4Weights(group=32), gru, tmp_path / name)
        written.append((tmp_path / name / "q.onnx").read_bytes())
    assert written[0] == written[1]
