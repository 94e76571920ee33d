"""The distribution: what the wheel holds, what an import loads, what nothing may depend on."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

import edgeseq

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

#: What a lean import must not load.
HEAVY = {"torch", "onnx", "onnxscript", "onnxruntime", "matplotlib"}
LINKS = {"exporters", "runtime"}


def sources() -> set[str]:
    """Files of the package that belong into the wheel."""
    kept = {".py", ".json", ".typed", ".onnx", ".npz", ".md", ".css"}
    files = (file for file in (ROOT / "edgeseq").rglob("*") if file.suffix in kept or file.name == "py.typed")
    return {file.relative_to(ROOT).as_posix() for file in files}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist, built from a copy of what belongs to the package."""
    copy, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "edgeseq", copy / "edgeseq", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def wheel(built: Path) -> Iterator[zipfile.ZipFile]:
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_wheel_holds_the_whole_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == sources()
    assert {"edgeseq/py.typed", "edgeseq/contract.schema.json", "edgeseq/cli/__init__.py"} <= names
    assert {f"edgeseq/{part}/__init__.py" for part in LINKS} <= names
    assert {f"edgeseq/demo/trained/{name}" for name in ("gru.onnx", "gru.golden.npz", "models.json")} <= names


def test_wheel_has_the_console_script_and_the_license(wheel: zipfile.ZipFile) -> None:
    info = f"edgeseq-{edgeseq.__version__}.dist-info"
    assert "edgeseq = edgeseq.cli:main" in wheel.read(f"{info}/entry_points.txt").decode()
    assert wheel.read(f"{info}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    assert "License-Expression: Apache-2.0" in wheel.read(f"{info}/METADATA").decode()


def test_sdist_holds_the_whole_package(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert sources() | {"pyproject.toml", "LICENSE", "README.md"} <= names


def test_license_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.lstrip().startswith("Apache License\n                           Version 2.0, January 2004")
    assert "END OF TERMS AND CONDITIONS" in text
    assert text.rstrip().endswith("limitations under the License.")


def test_every_requirement_is_pinned() -> None:
    """So that a fresh environment is the one that was tested; the GPU build is pinned with the CPU one."""
    project = PROJECT["project"]
    extras = [line for extra, lines in project["optional-dependencies"].items() if extra != "gpu" for line in lines]
    wanted = {re.split(r"[^A-Za-z0-9_-]", line)[0] for line in [*project["dependencies"], *extras]}
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.partition("==")[0] for line in pins if "==" in line}
    assert wanted - pinned == set()


@pytest.mark.parametrize("name", ["Makefile", ".ci/run", "pyproject.toml", "constraints.txt"])
def test_no_host_is_named(name: str) -> None:
    assert "://" not in (ROOT / name).read_text(encoding="utf-8")


def loaded_by(code: str) -> set[str]:
    """Top-level modules in a fresh interpreter after ``code``."""
    report = "; import sys, json; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("module", ["edgeseq", "edgeseq.runtime", "edgeseq.contract", "edgeseq.specs"])
def test_import_is_lean(module: str) -> None:
    assert loaded_by(f"import {module}") & (HEAVY - {"onnxruntime"} | {"click"}) == set()


def test_importing_the_command_line_is_lean() -> None:
    loaded = loaded_by("import edgeseq.cli")
    assert loaded & (HEAVY | {"numpy"}) == set()
    assert "click" in loaded


def test_the_proof_can_fail() -> None:
    assert loaded_by("import edgeseq, onnx, click") & (HEAVY | {"click"}) == {"onnx", "click"}


def imported(tree: ast.AST) -> Iterable[str]:
    """Top-level names that a module imports, absolutely."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


def test_links_open_the_repository_on_its_parts() -> None:
    for name in LINKS:
        assert (ROOT / name).readlink() == Path("edgeseq") / name


def test_nothing_depends_on_the_links() -> None:
    files = [file for part in ("edgeseq", "tests", "benchmarks") for file in (ROOT / part).rglob("*.py")]
    assert len(files) > 20
    users = [file for file in files if LINKS & set(imported(ast.parse(file.read_text(encoding="utf-8"))))]
    assert users == []


@pytest.mark.parametrize("code", ["import runtime", "import runtime.stream as s", "from exporters import export"])
def test_an_import_of_a_link_is_found(code: str) -> None:
    assert LINKS & set(imported(ast.parse(code)))
    assert not LINKS & set(
        imported(ast.parse(code.replace("runtime", "edgeseq.runtime").replace("exporters", "edgeseq")))
    )
