"""``import edgeseq.runtime`` and a whole stream load numpy and onnxruntime, and nothing heavier."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from edgeseq.errors import ProviderError
from edgeseq.runtime import engine
from tests import handmade

ROOMS = ("edgeseq.exporters", "edgeseq.cli", "edgeseq.runtime.paced")
HEAVY = ("torch", "onnx", "onnxscript", "click", "matplotlib", *ROOMS)


def loaded_by(code: str) -> list[str]:
    """Which heavy modules a fresh process has loaded after ``code``."""
    probe = f"{code}\nimport sys\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return list(ast.literal_eval(done.stdout.strip().splitlines()[-1]))


def test_the_import_is_lean() -> None:
    assert loaded_by("import edgeseq.runtime") == []


def test_a_whole_stream_is_lean(tmp_path: Path) -> None:
    path = handmade.gru().save(tmp_path / "m.onnx")
    code = f"""
import numpy as np
from edgeseq import runtime
stream = runtime.load({path!r}).stream()
stream.step(np.zeros((1, 3, 4), np.float32))
stream.flush()
import edgeseq.runtime.measuring.worker
"""
    assert loaded_by(code) == []


def test_text_is_lean() -> None:
    assert loaded_by("import edgeseq.io.text") == []


def test_the_lab_is_lean() -> None:
    modules = ("comparing", "report", "findings", "floor", "per_op", "joining", "selfcheck.checking")
    assert loaded_by(f"import {', '.join(f'edgeseq.lab.{name}' for name in modules)}") == []


def test_adopting_is_lean(tmp_path: Path) -> None:
    path = handmade.gru().save_bare(tmp_path / "m.onnx")
    code = f"""
from edgeseq import runtime
runtime.adopt({path!r}, states={{"h": "h.next"}}, out={str(tmp_path / "out.onnx")!r}).stream()
"""
    assert loaded_by(code) == []


def test_the_proof_can_fail() -> None:
    assert loaded_by("import click, onnx, edgeseq.runtime") == ["onnx", "click"]


@pytest.fixture
def _fresh_search() -> None:
    engine.onnxruntime.cache_clear()


@pytest.mark.usefixtures("_fresh_search")
def test_a_missing_onnxruntime_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ProviderError, match=r"^onnxruntime cannot be imported: .*pip install 'edgeseq\[cpu\]'"):
        engine.onnxruntime()


@pytest.mark.usefixtures("_fresh_search")
def test_a_doubled_onnxruntime_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    importlib.import_module("onnxruntime")  # it is not on the path below
    monkeypatch.setattr(sys, "path", [str(tmp_path / "nowhere"), str(tmp_path)])
    (tmp_path / "onnxruntime-1.31.1.dist-info").mkdir()
    engine.onnxruntime()
    engine.onnxruntime.cache_clear()
    (tmp_path / "onnxruntime_gpu-1.31.1.dist-info").mkdir()
    with pytest.raises(ProviderError) as caught:
        engine.onnxruntime()
    assert str(caught.value) == (
        "both onnxruntime and onnxruntime-gpu are installed: the two wheels overwrite each other's files. "
        "Run pip uninstall -y onnxruntime onnxruntime-gpu, then pip install 'edgeseq[cpu]' or 'edgeseq[gpu]'."
    )
