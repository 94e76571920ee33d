"""A module straight to a quantized file, and the quantized file against the float one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from torch import nn

import edgeseq
from edgeseq import exporters, runtime
from edgeseq.cli import main
from edgeseq.errors import ContractError, EdgeseqError, UsageError
from edgeseq.modelfile import read_model_file
from edgeseq.quantization import quantizing, verify_quantized, verifying
from edgeseq.quantization.speed import Speed
from edgeseq.quantization.targets import TARGETS, this_machine
from edgeseq.runtime.golden import replay
from edgeseq.verification.report import Check, Verification

SPEC = {"x": "float32[batch,time,24]"}


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(24, 32, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.gru(x)[0]
        return out


class Conditioned(nn.Module):
    """Its speaker vector is worked on once per stream, in a prologue."""

    def __init__(self) -> None:
        super().__init__()
        self.speaker, self.frames = nn.Linear(40, 48), nn.Linear(24, 48)

    def forward(self, x: torch.Tensor, speaker: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.frames(x) * self.speaker(speaker).tanh()[:, None]
        return out


@pytest.fixture
def net() -> Net:
    torch.manual_seed(3)
    return Net()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def elsewhere(model: nn.Module, path: Path, spec: dict[str, str] = SPEC, **options: Any) -> exporters.Exported:
    """An export for another target than this machine, so that nothing is timed."""
    target = next(name for name, target in TARGETS.items() if target != this_machine())
    return edgeseq.export(model, spec, path, quantize=exporters.Int8Weights(), target_cpu=target, **options)


def test_a_module_to_a_quantized_file(net: Net, tmp_path: Path) -> None:
    found = elsewhere(net, tmp_path / "m.onnx", sidecar=True, frame_period=0.01)
    assert names(tmp_path) == ["m.contract.json", "m.golden.npz", "m.onnx"]
    assert found.report is not None
    assert found.report.kind == "int8-weights"
    assert found.contract.frame_period == 0.01
    assert found.golden == tmp_path / "m.golden.npz"
    assert found.verification.passed
    assert replay(found.path).passed
    assert runtime.load(found.path).contract.quantization == json.loads(found.contract.to_json())["quantization"]
    assert json.loads((tmp_path / "m.contract.json").read_text()) == json.loads(found.contract.to_json())


def test_the_float_file_can_be_had_again(net: Net, tmp_path: Path) -> None:
    found = elsewhere(net, tmp_path / "q.onnx", golden=False)
    again = edgeseq.export(net, SPEC, tmp_path / "m.onnx", golden=False)
    assert again.report is None
    assert found.report is not None
    assert found.report.source == again.contract.digest
    assert verify_quantized(found.path, again.path).passed


def test_a_prologue_is_quantized_with_its_file(tmp_path: Path) -> None:
    spec = {**SPEC, "speaker": "float32[batch,40]"}
    found = elsewhere(Conditioned(), tmp_path / "m.onnx", spec)
    assert names(tmp_path) == ["m.golden.npz", "m.onnx", "m.prologue.onnx"]
    assert found.report is not None
    assert {node.name for node in found.report.nodes} == {"speaker", "frames"}
    assert found.report.file_bytes_after < 0.6 * found.report.file_bytes_before
    assert replay(found.path).passed


def test_calibration_serves_both(net: Net, tmp_path: Path) -> None:
    drawn = np.random.default_rng(0).standard_normal((2, 50, 24)).astype(np.float32)
    found = elsewhere(net, tmp_path / "m.onnx", calibration=iter([{"x": drawn}]))
    assert found.report is not None
    assert found.report.inputs == "calibration"
    assert found.verification.settings["inputs"] == "calibration"


def test_nothing_appears_where_it_is_slower(net: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantizing, "target_of", lambda name: (TARGETS["x86"], True))
    monkeypatch.setattr(quantizing, "compare_steps", lambda *_: Speed((10.0, 11.0), (20.0, 22.0), 1))
    with pytest.raises(EdgeseqError, match="slower than the float one"):
        edgeseq.export(net, SPEC, tmp_path / "m.onnx", quantize=exporters.Float16())
    assert names(tmp_path) == []
    edgeseq.export(net, SPEC, tmp_path / "m.onnx", quantize=exporters.Float16(), keep_slower=True)
    assert names(tmp_path) == ["m.golden.npz", "m.onnx"]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no config": ({"quantize": "int8-dynamic"}, "unknown config"),
    "no target": ({"quantize": exporters.Float16(), "target_cpu": "z80"}, "unknown target"),
    "other ops": ({"quantize": exporters.Float16(), "ops": "portable"}, "a quantized file needs onnxruntime's own ops"),
    "sequences": ({"quantize": exporters.Float16(), "mode": exporters.Sequence()}, "a file of whole sequences cannot"),
    "a target alone": ({"target_cpu": "arm"}, "target_cpu is for a quantized file"),
    "slower alone": ({"keep_slower": True}, "keep_slower is for a quantized file"),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED)
def test_refused_before_it_is_exported(
    options: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeseq.exporters.exporting.prepare", None)
    with pytest.raises(UsageError, match=message):
        edgeseq.export(Net(), SPEC, tmp_path / "m.onnx", **options)
    assert names(tmp_path) == []


def test_a_quantized_file_is_not_held_against_the_module(net: Net, tmp_path: Path) -> None:
    elsewhere(net, tmp_path / "m.onnx", golden=False)
    before = (tmp_path / "m.onnx").read_bytes()
    with pytest.raises(UsageError, match=r"edgeseq verify m\.onnx --float M\.onnx"):
        exporters.verify(tmp_path / "m.onnx", net)
    assert (tmp_path / "m.onnx").read_bytes() == before


def test_a_changed_quantized_file_is_quantized_again(net: Net, tmp_path: Path) -> None:
    path = elsewhere(net, tmp_path / "m.onnx", golden=False).path
    model = onnx.load(path)
    model.graph.node[0].name = "another"
    onnx.save(model, path)
    with pytest.raises(ContractError, match="Quantize the float file that it was made of again, or load it with"):
        runtime.load(path)


def run(*arguments: object) -> Any:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_export_and_verify_on_the_command_line(net: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text("from tests.quantization.test_export_quantized import Net\n")
    torch.save(net.state_dict(), "w.pt")
    model = ["net.py:Net", "--weights", "w.pt"]
    common = ["--input", "x=float32[batch,time,24]"]
    done = run("export", *model, *common, "-o", "q.onnx", "--quantize", "int8-weights", "--target-cpu", "arm")
    assert done.exit_code == 0, done.output
    assert "quantization     int8-weights, for arm, " in done.output
    assert run("export", *model, *common, "-o", "m.onnx").exit_code == 0
    assert run("verify", "q.onnx").exit_code == 0

    np.savez("data.npz", x=np.random.default_rng(0).standard_normal((3, 70, 24)).astype(np.float32))
    found = run("verify", "q.onnx", "--float", "m.onnx", "--data", "data.npz", "--json", "r.json")
    assert found.exit_code == 0, found.output
    assert "loud end       passed" in found.output
    report = json.loads((tmp_path / "r.json").read_text())
    assert (report["format"], report["passed"]) == ("edgeseq.verify", True)
    assert report["verification"]["settings"]["inputs"] == "calibration"
    assert report["verification"]["digest"] == read_model_file(tmp_path / "q.onnx").digest

    refused = run("verify", "q.onnx", "--model", *model)
    assert (refused.exit_code, "is not verified against the module" in refused.output) == (2, True)
    assert run("verify", "q.onnx", "--float", "q.onnx").exit_code == 2
    assert run("verify", "m.onnx", "--float", "m.onnx").exit_code == 2
    for given in (["--model", "net.py:Net"], ["--golden", "q.golden.npz"], ["--atol", "1"], ["--allow-unverified"]):
        both = run("verify", "q.onnx", "--float", "m.onnx", *given)
        assert both.exit_code == 2
        assert f"error: {given[0]} is not for a check against the float file" in both.output
    alone = run("verify", "q.onnx", "--data", "data.npz")
    assert (alone.exit_code, "--data is for a check against the float file" in alone.output) == (2, True)


def test_a_law_that_fails_is_a_failed_check(net: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = elsewhere(net, tmp_path / "q.onnx", golden=False)
    whole = edgeseq.export(net, SPEC, tmp_path / "m.onnx", golden=False)
    failed = Verification((Check("neighbours", False, "row 0 differs"),), {}, "sha256:0")
    monkeypatch.setattr(verifying, "check_quantized", lambda *_: failed)
    done = run("verify", few.path, "--float", whole.path)
    assert done.exit_code == 1
    assert "neighbours  FAILED  row 0 differs" in done.output
