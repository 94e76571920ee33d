"""What an export needs around it is asked for before it starts: packages, versions, a folder, room on the disk."""

from __future__ import annotations

import importlib.metadata
import shutil
import tempfile
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import edgeseq
from edgeseq.errors import EdgeseqError, ProviderError, UsageError
from edgeseq.exporters import explain, explaining, surroundings
from edgeseq.exporters.surroundings import check_surroundings, check_versions
from edgeseq.runtime import engine

INPUTS = {"input": "float32[batch,time,64]"}


@pytest.fixture
def _no_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks come first: a capture would fail the test."""

    def capture(*_: Any) -> None:
        raise AssertionError("captured before it was known that the export can be finished")

    monkeypatch.setattr(explaining, "capture", capture)


def versions(monkeypatch: pytest.MonkeyPatch, **installed: str) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: installed[name])


@pytest.mark.parametrize(
    ("version", "requirement"),
    [
        ("2.13.0+cpu", 'torch<2.14,>=2.13; extra == "export"'),
        ("2.13.1", "torch>=2.13,<2.14"),
        ("2.13", "torch==2.13.0"),
        ("2.13.0", "torch"),
        ("2.13.0", "torch>=2.13,!=2.13.1"),
    ],
)
def test_versions_that_hold(monkeypatch: pytest.MonkeyPatch, version: str, requirement: str) -> None:
    versions(monkeypatch, torch=version)
    check_versions([requirement])


@pytest.mark.parametrize(
    ("version", "requirement"),
    [
        ("2.12.9", "torch>=2.13,<2.14"),
        ("2.14.0", "torch>=2.13,<2.14"),
        ("2.14.0a0+git1234", "torch>=2.13,<2.14"),
        ("2.13.1", "torch!=2.13.1"),
        ("2.9", "torch>2.10"),
        ("2.13.1", "torch<=2.13"),
    ],
)
def test_versions_that_do_not(monkeypatch: pytest.MonkeyPatch, version: str, requirement: str) -> None:
    versions(monkeypatch, torch=version)
    with pytest.raises(EdgeseqError) as caught:
        check_versions([requirement])
    assert str(caught.value) == (
        f"edgeseq was not tested with this torch (got torch {version}, wanted {requirement}). Install the versions "
        "that it was tested with: pip install 'edgeseq[export]'."
    )


def test_the_metadata_names_what_is_checked() -> None:
    names = [text.split("<")[0].split(">")[0].split(";")[0] for text in surroundings._requirements()]
    assert sorted(names) == ["onnx", "onnxscript", "torch"]


def test_a_source_tree_without_metadata_is_not_held_to_any(monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", requires)
    assert surroundings._requirements() == []


@pytest.mark.usefixtures("_no_capture")
def test_another_torch_is_refused_before_the_capture(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    versions(monkeypatch, torch="2.99.0", onnx="1.23.2", onnxscript="0.7.2")
    with pytest.raises(EdgeseqError, match=r"^edgeseq was not tested with this torch"):
        edgeseq.export(nn.Linear(64, 64), INPUTS, tmp_path / "m.onnx")


@pytest.mark.usefixtures("_no_capture")
def test_a_doubled_onnxruntime_is_refused_before_the_capture(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    engine.onnxruntime.cache_clear()
    monkeypatch.setattr(engine, "_installed", lambda: {"onnxruntime", "onnxruntime_gpu"})
    with pytest.raises(ProviderError, match=r"^both onnxruntime and onnxruntime-gpu are installed"):
        edgeseq.export(nn.Linear(64, 64), INPUTS, tmp_path / "m.onnx")
    with pytest.raises(ProviderError):
        explain(nn.Linear(64, 64), INPUTS)


@pytest.mark.usefixtures("_no_capture")
def test_a_full_disk_is_refused_before_the_capture(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    usage = namedtuple("usage", "total used free")
    model = nn.Linear(1000, 1000, bias=False)  # 4 MB
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 8_000_000))
    with pytest.raises(EdgeseqError) as caught:
        edgeseq.export(model, {"input": "float32[batch,time,1000]"}, tmp_path / "m.onnx")
    assert str(caught.value) == (
        f"there is too little room on the disk at {tmp_path} (got 8 MB free, wanted 12 MB: 3 times the parameters). "
        "Make room, or write to another folder."
    )
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 12_000_000))
    check_surroundings(model, tmp_path / "m.onnx")


@pytest.mark.usefixtures("_no_capture")
def test_a_folder_that_takes_no_file_is_refused_before_the_capture(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(dir: Path) -> None:  # noqa: A002  tempfile's own word
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(UsageError) as caught:
        edgeseq.export(nn.Linear(64, 64), INPUTS, tmp_path / "m.onnx")
    assert str(caught.value) == (
        f"cannot write into the folder: Permission denied (got {tmp_path}). Write to another one."
    )


def test_nothing_is_left_in_the_folder(tmp_path: Path) -> None:
    check_surroundings(nn.Linear(2, 2), tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []
