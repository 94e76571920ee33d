"""``edgeseq demo`` with the models that come with edgeseq: no torch, and the files are what they say."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeseq.demo import data, making, report, shipped, shipping
from edgeseq.demo.models import parameters
from edgeseq.demo.settings import POSITIONS, QUICK, SHIPPED, Settings
from edgeseq.errors import EdgeseqError
from edgeseq.modelfile import read_model_file
from edgeseq.runtime import load, replay
from edgeseq.runtime.golden import read_trace, trace_of, write_trace

ROOT = Path(__file__).parent.parent
NAMES = ("gru", "gpt")
#: What ``[cpu]`` installs and the demo loads, besides Python's own; numpy brings Cython's.
LEAN = {"edgeseq", "numpy", "cython_runtime", "click", "onnxruntime"}


def called(*arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """``edgeseq demo`` in a process of its own; the last line of its standard error lists the modules it has loaded."""
    code = f"""
import json, sys
{before}
from edgeseq.cli import main
try:
    main()
finally:
    loaded = {{name.partition(".")[0] for name, module in sys.modules.items() if module is not None}}
    print(json.dumps(sorted(loaded)), file=sys.stderr)
"""
    command = [sys.executable, "-c", code, "demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def foreign(done: subprocess.CompletedProcess[str]) -> set[str]:
    """Top-level modules of that process that are neither Python's own nor what ``[cpu]`` installs."""
    loaded = set(json.loads(done.stderr.splitlines()[-1]))
    return {name for name in loaded - LEAN - sys.stdlib_module_names if not name.startswith("_")}


def said(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Its standard error, without the list of modules."""
    return done.stderr.splitlines()[:-1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a demo has left its files."""
    return tmp_path_factory.mktemp("demo") / "new"


@pytest.fixture(scope="module")
def done(folder: Path) -> subprocess.CompletedProcess[str]:
    return called("--out", str(folder), before="sys.modules['matplotlib'] = None")


@pytest.fixture(scope="module")
def found(done: subprocess.CompletedProcess[str], folder: Path) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads((folder / "demo.json").read_text(encoding="utf-8"))
    return document


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_model_loads_and_passes_its_golden_trace(name: str) -> None:
    path = shipped.FOLDER / f"{name}.onnx"
    assert load(path).contract.verification is not None
    assert replay(path).passed


@pytest.mark.parametrize("name", NAMES)
def test_file_contract_trace_and_facts_name_one_digest(name: str) -> None:
    known, path = shipped.facts(shipped.FOLDER), shipped.FOLDER / f"{name}.onnx"
    contract, model = load(path).contract, known["models"][name]
    assert shipped.models(known, shipped.FOLDER)[name] == path
    assert contract.digest == read_model_file(path).digest == read_trace(trace_of(path)).digest == model["digest"]
    assert model["file"] == {"name": path.name, "bytes": path.stat().st_size}
    assert contract.max_context == model["max_context"]
    assert contract.provenance["torch"] == known["versions"]["torch"]


def test_the_shipped_models_are_those_that_the_code_would_make() -> None:
    known = shipped.facts(shipped.FOLDER)
    assert list(known["models"]) == list(making.ENTRIES) == list(NAMES)
    assert (known["format"], known["version"]) == (shipped.FORMAT, shipped.VERSION)
    assert known["settings"] == {name: getattr(Settings(), name) for name in shipping.MAKING}
    for name, entry in making.ENTRIES.items():
        model = known["models"][name]
        assert set(model) == set(shipping.KEPT)
        assert model["parameters"] == parameters(entry.make())
        assert (model["title"], model["learning_rate"]) == (entry.title, entry.learning_rate)


def test_a_shipped_model_has_learned_something() -> None:
    for model in shipped.facts(shipped.FOLDER)["models"].values():
        assert model["bits_per_character"] < 2.6


def test_the_shipped_files_are_small_and_name_no_place() -> None:
    assert shipped.size(shipped.FOLDER) <= shipped.LIMIT
    wanted = {f"{name}{ending}" for name in NAMES for ending in (".onnx", ".golden.npz")}
    assert {path.name for path in shipped.FOLDER.iterdir()} == {*wanted, shipped.FACTS, "README.md"}
    assert not any(b".py" in (shipped.FOLDER / f"{name}.onnx").read_bytes() for name in NAMES)


def test_the_demo_loads_nothing_but_what_cpu_installs(done: subprocess.CompletedProcess[str]) -> None:
    assert foreign(done) == set()


@pytest.mark.parametrize("module", ["torch", "onnx"])
def test_a_module_too_many_is_noticed(module: str) -> None:
    done = called("--quick", before=f"import {module}")
    assert module in foreign(done)
    assert done.returncode == 1
    assert said(done)[0].startswith(f"error: the streaming process is not free of PyTorch (got {module}")


def test_what_is_printed(done: subprocess.CompletedProcess[str], found: dict[str, Any], folder: Path) -> None:
    lines = done.stdout.splitlines()
    assert lines[0].startswith("two models that come with edgeseq, trained and exported with torch 2.13")
    assert report.describe(found) in done.stdout
    assert found["conclusion"] in done.stdout.replace("\n", " ")
    for name in NAMES:
        assert re.search(
            rf"(?m)^{name}.onnx passes its golden trace: off by \d.\de-0\d, allowed \d.\de-0\d$", done.stdout
        )
        assert found["models"][name]["line"] in done.stdout
    assert "measured after their 2,000 steps of training" in done.stdout.replace("\n", " ")
    assert "* timing only: beyond the 128 characters that the GPT was trained on, of 1,100 that fit" in lines
    assert lines[-1] == f"in {folder}: gru.onnx, gpt.onnx, demo.json"
    assert said(done) == ["for the picture: pip install 'edgeseq[bench]'"]


def test_the_report(found: dict[str, Any]) -> None:
    assert (found["format"], found["version"]) == ("edgeseq.demo", 2)
    assert Settings(**found["settings"]) == SHIPPED
    assert set(found["versions"]) == {"edgeseq", "onnxruntime", "numpy", "python"}
    for model in found["models"].values():
        assert len(model["line"]) == SHIPPED.line
        assert model["line"].startswith(SHIPPED.prompt)
        assert model["replay"]["passed"]
        assert list(model["at"]) == list(model["state_bytes"]) == [str(step) for step in POSITIONS]
        assert all(point["p50_ns"] > 0 for point in [*model["at"].values(), *model["curve"]])


def test_words_of_what_it_writes_are_words_of_the_manual(found: dict[str, Any]) -> None:
    known = set(re.findall(r"[a-z]+", data.decode(data.corpus().train).lower()))
    for model in found["models"].values():
        words = re.findall(r"[a-z]+", model["line"].lower())[:-1]
        assert np.mean([word in known for word in words]) > 0.7


def test_out_gets_files_that_stand_alone(found: dict[str, Any], folder: Path) -> None:
    wanted = {f"{name}{ending}" for name in NAMES for ending in (".onnx", ".golden.npz")}
    assert {path.name for path in folder.iterdir()} == {*wanted, "demo.json"}
    assert all(replay(folder / f"{name}.onnx").passed for name in NAMES)


def test_without_out_nothing_is_written(tmp_path: Path) -> None:
    done = called("--quick", "--json", "-", before=f"import os; os.chdir({str(tmp_path)!r})")
    assert (done.returncode, said(done)) == (0, [])
    document = json.loads(done.stdout)
    assert Settings(**document["settings"]) == QUICK
    assert list(tmp_path.iterdir()) == []


def test_steps_belong_to_training() -> None:
    done = called("--steps", "5")
    assert (done.returncode, said(done)) == (2, ["error: --steps counts training steps. Add --train."])


def test_a_failed_golden_trace_is_said_and_exits_with_1(tmp_path: Path) -> None:
    folder = tmp_path / "trained"
    shutil.copytree(shipped.FOLDER, folder)
    path = folder / "gru.golden.npz"
    trace = read_trace(path)
    write_trace(path, replace(trace, outputs={name: value + 1 for name, value in trace.outputs.items()}))
    before = f"import pathlib, edgeseq.demo.shipped as shipped; shipped.FOLDER = pathlib.Path({str(folder)!r})"
    done = called("--quick", before=before)
    assert done.returncode == 1, done.stderr
    assert "gru.onnx FAILS its golden trace: off by 1.0e+00" in done.stdout
    assert "gpt.onnx passes its golden trace" in done.stdout


def test_a_lost_model_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(EdgeseqError) as error:
        shipped.facts(tmp_path)
    assert str(error.value) == (
        f"the models of the demo cannot be read at {tmp_path / 'models.json'}: No such file or directory. "
        "Install edgeseq again."
    )


def test_only_passing_and_small_files_are_shipped(found: dict[str, Any]) -> None:
    shipping.check(found, shipped.LIMIT)
    with pytest.raises(
        EdgeseqError, match=r"^the models are too large to ship \(got 409601 bytes, wanted at most 409600"
    ):
        shipping.check(found, shipped.LIMIT + 1)
    broken = copy.deepcopy(found)
    broken["models"]["gpt"]["replay"]["passed"] = False
    with pytest.raises(EdgeseqError, match=r"^a golden trace does not pass at gpt\."):
        shipping.check(broken, 0)


def test_shipping_writes_what_the_demo_reads(tmp_path: Path) -> None:
    """The whole of ``make demo-models``, with settings that train nothing."""
    said: list[str] = []
    shipping.ship(tmp_path, QUICK, said.append, lambda line: None)
    known = shipped.facts(tmp_path)
    assert known["settings"]["steps"] == QUICK.steps
    assert all(replay(path).passed for path in shipped.models(known, tmp_path).values())
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in shipped.FOLDER.iterdir()} - {
        "README.md"
    }
