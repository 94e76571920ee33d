"""``edgeseq export`` and ``verify``: what they hand to the library and what they print."""

from __future__ import annotations

import json
import shutil
import subprocess
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
    golden: Path | None = None


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

    def explain(self, model: Any, **given: Any) -> Contract:
        self.calls.append({"model": type(model).__name__, **given})
        if self.refusal is not None:
            raise self.refusal
        return handmade.gru().contract

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
    assert result.stdout.startswith(
        "inputs, as they were read:\n  x: float32, batch x time, frames along axis 1\n\nm.onnx  "
    )
    assert result.stdout.endswith(
        "check          result  detail\n"
        "concatenation  passed  largest difference 2.4e-07\n"
        "prefix         passed  exact\n"
    )


def test_export_as_json(exporters: Exporters) -> None:
    result = invoke("export", "net.py:make", "--input", "x=float32[batch,time]", "-o", "m.onnx", "--json", "-")
    document = json.loads(result.stdout)
    assert document["format"] == "edgeseq.export"
    assert document["inputs"] == {"x": "float32[batch,time]"}
    assert document["verification"] == GOOD.to_dict()
    assert document["contract"] == json.loads(handmade.gru().contract.to_json())


def test_a_refusal_is_one_line(exporters: Exporters) -> None:
    exporters.refusal = NotStreamable("cannot stream aten.flip", where="decoder", why="it reads the future")
    result = invoke("export", "net.py:make", "--input", "x=float32[batch,time]", "-o", "m.onnx")
    assert result.exit_code == 1
    assert result.stdout == "inputs, as they were read:\n  x: float32, batch x time, frames along axis 1\n\n"
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


@pytest.mark.parametrize("package", ["torch", "onnx", "onnxscript"])
def test_without_pytorch_the_remedy_is_said(package: str) -> None:
    words = ["export", "net.py:make", "--input", "x=float32[batch,time]", "-o", "m.onnx"]
    code = f"import sys\nsys.modules[{package!r}] = None\nfrom edgeseq.cli import main\nmain({words})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        f"error: exporting and verifying need PyTorch and onnx: {package} is not installed. "
        "Install them with: pip install 'edgeseq[export]'.\n"
    )


# -- what is wanted ----------------------------------------------------------------------------------------------------


X = "--input=x=float32[batch,time,3]"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "m.onnx"], "no input was given. Say what goes in with --input or --example, as docs/inputs.md does."),
        ([X], "wanted --output or --dry-run (got neither)."),
        ([X, "-o", "m.onnx", "--dry-run"], "wanted --output or --dry-run (got both)."),
        ([X, X, "-o", "m.onnx"], "input 'x' stands twice (wanted every input once)."),
        (
            [X, "-o", "m.onnx", "--sample-rate=8000", "--frame-period=8ms"],
            "--frame-period and --sample-rate say the same thing (wanted one of them).",
        ),
    ],
)
def test_calls_that_mean_nothing(exporters: Exporters, arguments: list[str], message: str) -> None:
    result = invoke("export", "net.py:make", *arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"error: {message}\n")
    assert exporters.calls == []


def test_what_lies_beside_the_file_is_passed_on(exporters: Exporters) -> None:
    result = invoke("export", "net.py:make", X, "-o", "m.onnx", "--no-golden", "--sidecar", "--external-data")
    assert result.exit_code == 0, result.output
    given = exporters.calls[0]
    assert (given["golden"], given["sidecar"], given["external_data"]) == (False, True, True)


# -- dry run -----------------------------------------------------------------------------------------------------------


def test_a_dry_run_explains_and_writes_nothing(exporters: Exporters) -> None:
    options = ["--ops=portable", "--max-context=9", "--frame-period=8ms"]
    result = invoke("export", "net.py:make", X, "--dry-run", *options)
    assert result.exit_code == 0, result.output
    wishes = {"ops": "portable", "max_context": 9, "frame_period": 0.008}
    assert exporters.calls == [{"model": "Linear", "inputs": {"x": "float32[batch,time,3]"}, **wishes}]
    assert result.stdout.startswith("inputs, as they were read:\n  x: float32, batch x time x 3, frames along axis 1\n")
    for word in ("states ", "delay ", "receptive field ", "memory "):
        assert f"\n{word}" in result.stdout
    for word in ("opset", "verified", "made by"):
        assert word not in result.stdout
    assert list(Path().glob("*.onnx")) == [Path("made.onnx")]


def test_a_dry_run_as_json(exporters: Exporters) -> None:
    document = json.loads(invoke("export", "net.py:make", X, "--dry-run", "--json", "-").stdout)
    assert document["format"] == "edgeseq.explain"
    assert document["inputs"] == {"x": "float32[batch,time,3]"}
    assert document["contract"] == json.loads(handmade.gru().contract.to_json())


def test_a_dry_run_refuses_as_export_does(exporters: Exporters) -> None:
    exporters.refusal = NotStreamable("cannot stream aten.flip", where="decoder", why="it reads the future")
    result = invoke("export", "net.py:make", X, "--dry-run")
    assert (result.exit_code, result.stderr) == (1, "error: cannot stream aten.flip at decoder: it reads the future.\n")


# -- examples ----------------------------------------------------------------------------------------------------------


def test_an_example_is_passed_on_and_its_specs_are_said(exporters: Exporters) -> None:
    Path("data.py").write_text("import torch\n\n\ndef real():\n    return {'input': torch.ones(2, 5, 3)}\n")
    result = invoke("export", "net.py:make", "--example", "data.py:real", "-o", "m.onnx")
    assert result.exit_code == 0, result.output
    (given,) = exporters.calls
    assert given["inputs"] == {"input": "float32[batch,time,3]"}
    assert [list(sample) for sample in given["calibration"]] == [["input"]]
    assert given["calibration"][0]["input"].shape == (2, 5, 3)
    assert result.stdout.startswith(
        "inputs, as they were read:\n"
        "  input: float32, batch x time x 3, frames along axis 1\n"
        "    read off the example; if it is something else, say so: --input 'input=float32[batch,time,3]'\n"
    )


def test_verify_takes_an_example_too(exporters: Exporters) -> None:
    Path("data.py").write_text("import torch\n\n\ndef real():\n    return {'input': torch.ones(2, 5, 3)}\n")
    result = invoke("verify", "m.onnx", "--model", "net.py:make", "--example", "data.py:real")
    assert result.exit_code == 0, result.output
    assert [list(sample) for sample in exporters.calls[0]["calibration"]] == [["input"]]


@pytest.mark.parametrize("option", [["--trust"], ["--example=data.py:real"], ["--arg=size=3"]])
def test_verify_without_a_model_takes_nothing_that_speaks_of_one(exporters: Exporters, option: list[str]) -> None:
    result = invoke("verify", "m.onnx", *option)
    assert result.exit_code == 2
    name = option[0].partition("=")[0]
    assert result.stderr == f"error: {name} is for a check against the module. Name the module with --model.\n"


def test_what_the_users_code_raises_ends_with_one_line(exporters: Exporters) -> None:
    Path("net.py").write_text("def make():\n    raise ValueError('no such size')\n")
    result = invoke("export", "net.py:make", X, "-o", "m.onnx")
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-2:] == ["ValueError: no such size", "error: calling net.py:make raised ValueError: no such size."]
