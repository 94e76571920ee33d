"""``edgeseq export`` and ``verify``: what they hand to the library and what they print."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from edgeseq.cli import libraries, main
from edgeseq.contract import Contract
from edgeseq.errors import EdgeseqError, NotStreamable
from tests import handmade


@dataclass(frozen=True)
class Check:
    name: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class Verification:
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        return {"passed": self.passed, "checks": [vars(check) for check in self.checks]}


@dataclass(frozen=True)
class Exported:
    path: str
    contract: Contract
    verification: Verification


GOOD = Verification((Check("concatenation", True, "largest difference 2.4e-07"), Check("prefix", True, "exact")))
BAD = Verification((Check("concatenation", False, "frame 3 differs by 0.5"),))


@dataclass
class Exporters:
    """Stands in for ``edgeseq.exporters`` and keeps what it was called with."""

    file: str
    verification: Verification = GOOD
    refusal: EdgeseqError | None = None
    calls: list[dict[str, Any]] = field(default_factory=list)

    def export(self, model: Any, **given: Any) -> Exported:
        self.calls.append({"model": type(model).__name__, **given})
        if self.refusal is not None:
            raise self.refusal
        shutil.copy(self.file, given["path"])
        return Exported(str(given["path"]), handmade.gru().contract, self.verification)

    def verify(self, path: Path, model: Any, **given: Any) -> Verification:
        self.calls.append({"path": path, "model": type(model).__name__, **given})
        return self.verification


@pytest.fixture
def exporters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Exporters:
    fake = Exporters(handmade.gru().save(tmp_path / "made.onnx"))
    monkeypatch.setattr(libraries, "exporters", lambda: fake)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("net.py").write_text(
        "import torch\n\n\ndef make(size: int = 1) -> torch.nn.Module:\n    return torch.nn.Linear(size, size)\n"
    )
    return fake


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_only_what_was_given_is_passed_on(exporters: Exporters) -> None:
    result = invoke("export", "net.py:make", "--input", "x = float32[batch, time, 64]", "-o", "m.onnx")
    assert result.exit_code == 0, result.output
    assert exporters.calls == [{"model": "Linear", "inputs": {"x": "float32[batch,time,64]"}, "path": Path("m.onnx")}]


def test_everything_is_passed_on(exporters: Exporters) -> None:
    options = ["--ops=portable", "--opset=23", "--max-context=512", "--frame-period=8ms", "--atol=1e-5", "--rtol=0"]
    inputs = ["--input=x=float32[batch,time,3]", "--input=state.0=float32[2,batch,8]", "--input=state.1=float32[8]"]
    result = invoke("export", "net.py:make", *inputs, "-o", "m.onnx", *options, "--arg", "size=3")
    assert result.exit_code == 0, result.output
    assert exporters.calls == [
        {
            "model": "Linear",
            "inputs": {"x": "float32[batch,time,3]", "state": ("float32[2,batch,8]", "float32[8]")},
            "path": Path("m.onnx"),
            "ops": "portable",
            "opset": 23,
            "max_context": 512,
            "frame_period": 0.008,
            "atol": 1e-5,
            "rtol": 0.0,
        }
    ]


def test_a_sample_rate_is_a_frame_period(exporters: Exporters) -> None:
    invoke("export", "net.py:make", "--input", "x=float32[batch,time]", "-o", "m.onnx", "--sample-rate", "16000")
    assert exporters.calls[0]["frame_period"] == 1 / 16000


def test_prints_the_summary_and_the_checks(exporters: Exporters) -> None:
    result = invoke("export", "net.py:make", "--input", "x=float32[batch,time]", "-o", "m.onnx")
    assert result.stderr == ""
    assert result.stdout.startswith("m.onnx  ")
    assert result.stdout.endswith(
        "check          result  detail\n"
        "concatenation  passed  largest difference 2.4e-07\n"
        "prefix         passed  exact\n"
    )


def test_export_as_json(exporters: Exporters) -> None:
    result = invoke("export", "net.py:make", "--input", "x=float32[batch,time]", "-o", "m.onnx", "--json", "-")
    document = json.loads(result.stdout)
    assert document["format"] == "edgeseq.export"
    assert document["verification"] == GOOD.to_dict()
    assert document["contract"] == json.loads(handmade.gru().contract.to_json())


def test_a_refusal_is_one_line(exporters: Exporters) -> None:
    exporters.refusal = NotStreamable("cannot stream aten.flip", where="decoder", why="it reads the future")
    result = invoke("export", "net.py:make", "--input", "x=float32[batch,time]", "-o", "m.onnx")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error: cannot stream aten.flip at decoder: it reads the future.\n"


def test_verify(exporters: Exporters) -> None:
    result = invoke("verify", "m.onnx", "--model", "net.py:make", "--atol", "0.1", "--json", "-")
    assert result.exit_code == 0, result.output
    assert exporters.calls == [{"path": Path("m.onnx"), "model": "Linear", "atol": 0.1}]
    assert json.loads(result.stdout) == {
        "format": "edgeseq.verify",
        "version": 1,
        "path": "m.onnx",
        "passed": True,
        "verification": GOOD.to_dict(),
    }


def test_a_failed_check_exits_with_1(exporters: Exporters) -> None:
    exporters.verification = BAD
    result = invoke("verify", "m.onnx", "--model", "net.py:make")
    assert result.exit_code == 1
    assert result.stdout == "check          result  detail\nconcatenation  FAILED  frame 3 differs by 0.5\n"


def test_without_pytorch_the_remedy_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "edgeseq.exporters", None)

    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named 'torch'{name[:0]}", name="torch")

    monkeypatch.setattr("edgeseq.cli.libraries.importlib.import_module", missing)
    result = invoke("export", "net.py:make", "--input", "x=float32[batch,time]", "-o", "m.onnx")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: exporting and verifying need PyTorch and onnx: torch is not installed. "
        "Install them with: pip install 'edgeseq[export]'.\n"
    )
