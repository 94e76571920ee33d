"""The checks for a GPU, where there is none: they say so; and the page says what they found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu import steps
from benchmarks.gpu.cases import NETWORKS, ways
from benchmarks.gpu.packing import pack, unpack
from benchmarks.gpu.page import PAGE, with_figures
from edgeseq.errors import EdgeseqError
from edgeseq.runtime.devices import find_device


def figure(device: str, p50_ns: float, graph: bool = False, batch: int = 1) -> dict[str, Any]:
    where = {"network": "gru-1x128", "weights": "fp32", "batch": batch, "position": 0, "threads": 1}
    return {**where, "device": device, "cuda_graph": graph, "p50_ns": p50_ns}


def test_the_page_is_up_to_date() -> None:
    page = PAGE.read_text("utf-8")
    assert page == with_figures(page), "docs/devices.md is out of date: run python -m benchmarks.gpu page"


def test_the_page_shows_what_was_found(tmp_path: Path) -> None:
    found = {name: {"outcome": "passed"} for name in steps.STEPS}
    found["threads"] = {"outcome": "failed", "why": "other answers"}
    timed = [figure("cuda:0", 90_000), figure("cuda:0", 30_000, graph=True), figure("cpu", 60_000)]
    found["time gru-1x128 fp32"]["figures"] = timed  # type: ignore[assignment]
    result = tmp_path / "gpu.json"
    result.write_text(json.dumps({"steps": found}))
    page = with_figures("before\n<!-- figures --><!-- end of figures -->\nafter", result)
    assert "| threads | failed | other answers |" in page
    assert "| 1 |  | 90 | 30 |  |  | 60 | 2.00 |" in page
    assert page.startswith("before")
    assert page.endswith("after")


def test_a_machine_without_a_gpu_skips_everything(tmp_path: Path) -> None:
    try:
        find_device("cuda:0")
    except EdgeseqError as error:
        said = str(error)
    else:
        pytest.skip("there is a GPU")
    command = [sys.executable, "-m", "benchmarks.gpu", "run", "--files", str(tmp_path), "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
    found = json.loads((tmp_path / "gpu.json").read_text("utf-8"))["steps"]
    assert {(one["outcome"], one["why"]) for one in found.values()} == {("skipped", said)}


def test_what_is_done_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "STEPS", {"here": 60, "golden": 60})
    done: list[str] = []

    def ran(name: str, files: Path, out: Path, limit_s: float) -> dict[str, Any]:
        done.append(name)
        return {"outcome": "passed"}

    monkeypatch.setattr(steps, "_in_a_process", ran)
    said: list[str] = []
    steps.run_all(tmp_path, tmp_path, 10, said.append)
    assert (done, "call again" in said[0]) == ([], True)
    for _ in range(2):
        found = steps.run_all(tmp_path, tmp_path, 600, said.append)
    assert done == ["here", "golden"]
    assert {one["outcome"] for one in found["steps"].values()} == {"passed"}


def test_a_step_that_dies_or_hangs_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*args: Any, **kwargs: Any) -> Any:
        return subprocess.CompletedProcess(args, -11, "", "Segmentation fault")

    def hangs(*args: Any, **kwargs: Any) -> Any:
        raise subprocess.TimeoutExpired("step", 60)

    for happens, why in ((dies, "ended with -11"), (hangs, "more than 60 s")):
        monkeypatch.setattr(subprocess, "run", happens)
        found = steps._in_a_process("here", tmp_path, tmp_path, 60)
        assert found["outcome"] == "failed"
        assert why in found["why"]


def test_every_size_is_asked_for_on_both_devices() -> None:
    for network in NETWORKS:
        asked = list(ways(network, 16))
        assert {(way.device, way.cuda_graph) for way in asked} == {("cuda:0", False), ("cuda:0", True), ("cpu", False)}
        assert {way.batch for way in asked} == {1, 16, 256, 1024}
        assert {way.position for way in asked} == ({64, 512, 4096} if network.kind == "gpt" else {0})


def test_files_are_packed_and_unpacked(tmp_path: Path) -> None:
    folder, other = tmp_path / "files", tmp_path / "other"
    folder.mkdir()
    for name in ("a-fp32.onnx", "a-fp32.golden.npz", "a-fp16.onnx"):
        (folder / name).write_text(name)
    pack(folder, tmp_path / "all.tar.xz", "fp32")
    unpack(tmp_path / "all.tar.xz", other)
    assert {file.name: file.read_text() for file in other.iterdir()} == {
        name: name for name in ("a-fp32.onnx", "a-fp32.golden.npz")
    }
