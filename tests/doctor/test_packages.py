"""What is read from the metadata of installed distributions, without an import of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import edgeseq
from edgeseq.doctor import engine as engine_module
from edgeseq.doctor.engine import Engine, engine
from edgeseq.doctor.packages import packages
from edgeseq.requirements import Requirement, read_requirement
from tests.doctor.machines import REQUIREMENTS, install


def test_versions_and_requirements(tmp_path: Path) -> None:
    dev = ('pytest>=8.3; extra == "dev"', 'matplotlib>=3.9; extra == "bench"')
    install(tmp_path, "edgeseq", "9.9", requires=(*REQUIREMENTS, *dev))
    install(tmp_path, "numpy", "2.4.6")
    install(tmp_path, "torch", "2.13.0+cpu")
    found = packages([str(tmp_path)])
    assert found.versions == {
        "edgeseq": edgeseq.__version__,
        "numpy": "2.4.6",
        "click": None,
        "torch": "2.13.0+cpu",
        "onnx": None,
        "onnxscript": None,
        "onnx-ir": None,
    }
    assert found.engines == {}
    assert found.requirements == REQUIREMENTS


@pytest.mark.parametrize("listed", [True, False], ids=["top_level.txt", "RECORD alone"])
def test_every_wheel_that_brings_onnxruntime_is_found(listed: bool, tmp_path: Path) -> None:
    for name in ("onnxruntime", "onnxruntime-openvino", "Some.Vendor_Ort"):
        install(tmp_path, name, "1.22.0", brings="onnxruntime", listed=listed)
    install(tmp_path, "onnxruntime-extensions", "0.14", brings="onnxruntime_extensions", listed=listed)
    assert packages([str(tmp_path)]).engines == {
        "onnxruntime": "1.22.0",
        "onnxruntime-openvino": "1.22.0",
        "some-vendor-ort": "1.22.0",
    }


def test_the_first_of_a_name_counts(tmp_path: Path) -> None:
    install(tmp_path / "venv", "onnxruntime", "1.31.1")
    install(tmp_path / "system", "onnxruntime", "1.20.0")
    assert packages([str(tmp_path / "venv"), str(tmp_path / "system")]).engines == {"onnxruntime": "1.31.1"}


def test_what_an_interrupted_uninstall_leaves_is_no_distribution(tmp_path: Path) -> None:
    (tmp_path / "~nnxruntime-1.22.0.dist-info").mkdir()
    assert packages([str(tmp_path)]).engines == {}


def test_this_environment() -> None:
    found = packages()
    assert list(found.engines) == ["onnxruntime"]
    assert found.versions["torch"] is not None
    assert any(line.startswith("torch") for line in found.requirements)


def test_nothing_heavy_is_loaded() -> None:
    heavy = "{'torch', 'onnx', 'numpy', 'onnxruntime', 'click'}"
    code = f"import edgeseq.doctor as d, sys; d.examine(); print({heavy} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_onnxruntime_here() -> None:
    found = engine()
    assert found.error is None
    assert found.version == packages().engines["onnxruntime"]
    assert "CPUExecutionProvider" in found.providers


@pytest.mark.parametrize(
    ("probe", "error"),
    [
        (
            "raise ImportError('libcublas.so: cannot open shared object file.')",
            "ImportError: libcublas.so: cannot open shared object file",
        ),
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "its import ended the process: Illegal instruction"),
        ("raise SystemExit(3)", "exit code 3"),
        ("print('something else')", "it imports but does not tell its version and providers"),
        ("import time; time.sleep(60)", "its import did not end within 0.1 seconds"),
    ],
)
def test_an_onnxruntime_that_fails(probe: str, error: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "_PROBE", probe)
    if "sleep" in probe:
        monkeypatch.setattr(engine_module, "_PATIENCE_S", 0.1)
    assert engine() == Engine(None, (), error)


@pytest.mark.parametrize(
    ("line", "requirement"),
    [
        ("numpy>=1.26", Requirement("numpy", ">=1.26", None)),
        ('torch<2.14,>=2.13; extra == "export"', Requirement("torch", ">=2.13,<2.14", "export")),
        ("Torch (>=2.13,<2.14) ; extra == 'export'", Requirement("torch", ">=2.13,<2.14", "export")),
        ('onnxruntime-gpu[cuda,cudnn]>=1.22; extra == "gpu"', Requirement("onnxruntime-gpu", ">=1.22", "gpu")),
        ('click; python_version < "4"', Requirement("click", "", None)),
        ("!", None),
    ],
)
def test_reads_a_requirement(line: str, requirement: Requirement | None) -> None:
    assert read_requirement(line) == requirement


@pytest.mark.parametrize(
    ("wanted", "version", "allowed"),
    [
        (">=2.13,<2.14", "2.13.0+cpu", True),
        (">=2.13,<2.14", "2.13", True),
        (">=2.13,<2.14", "2.13.5", True),
        (">=2.13,<2.14", "2.14.0", False),
        (">=2.13,<2.14", "2.14.0.dev20260101", False),
        (">=2.13,<2.14", "2.9.1", False),
        (">=1.22", "1.9", False),
        ("==2.13", "2.13.0", True),
        ("!=2.13.1", "2.13.1", False),
        (">2.13", "2.13.0", False),
        ("<=2.13", "2.13.0", True),
        ("", "1", True),
        ("~=2.13", "1", True),
        (">=1", "unknown", True),
    ],
)
def test_what_a_requirement_allows(wanted: str, version: str, allowed: bool) -> None:
    assert Requirement("x", wanted, None).allows(version) is allowed
