"""What is installed, read from the metadata of distributions: nothing of it is imported."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import sys
import sysconfig
from dataclasses import dataclass

import edgeseq
from edgeseq.requirements import read_requirement

#: What the report names besides edgeseq and the wheels of onnxruntime.
NAMED = ("numpy", "click", "torch", "onnx", "onnxscript", "onnx-ir")

#: The extras that users install; None: edgeseq itself.
EXTRAS = (None, "cpu", "gpu", "export", "quantize")


@dataclass(frozen=True)
class Python:
    """The interpreter: its version, the width of its addresses, the C library it was built for, the system."""

    version: str
    implementation: str
    bits: int
    musl: bool
    system: str


@dataclass(frozen=True)
class Packages:
    """Installed distributions: ``versions`` of the named ones, None where missing.

    ``engines`` are the distributions that bring a package ``onnxruntime``, with their versions: exactly one is right.
    ``requirements`` are those of edgeseq and of the extras for users, as its own metadata says them; empty where
    edgeseq is not installed.
    """

    versions: dict[str, str | None]
    engines: dict[str, str]
    requirements: tuple[str, ...]


def python() -> Python:
    """The interpreter that runs this."""
    return Python(
        version=platform.python_version(),
        implementation=platform.python_implementation(),
        bits=64 if sys.maxsize > 2**32 else 32,
        musl="musl" in str(sysconfig.get_config_var("SOABI")),
        system=platform.platform(),
    )


def packages(path: list[str] | None = None) -> Packages:
    """The distributions on ``path``, ``sys.path`` by default; the first of a name counts."""
    versions: dict[str, str] = {}
    engines: dict[str, str] = {}
    requirements: list[str] = []
    found = importlib.metadata.distributions() if path is None else importlib.metadata.distributions(path=path)
    for distribution in found:
        name, version = (_field(distribution, field) for field in ("Name", "Version"))
        key = re.sub(r"[-_.]+", "-", name).lower()
        if not key or not version or key in versions:
            continue
        versions[key] = version
        if "onnxruntime" in _brings(distribution):
            engines[key] = version
        if key == "edgeseq":
            requirements = [line for line in distribution.requires or () if _is_for_users(line)]
    named = {"edgeseq": edgeseq.__version__, **{name: versions.get(name) for name in NAMED}}
    return Packages(named, dict(sorted(engines.items())), tuple(requirements))


def _field(distribution: importlib.metadata.Distribution, name: str) -> str:
    """A field of the metadata; empty where it is missing, as in what an interrupted uninstall leaves."""
    values = distribution.metadata.get_all(name)
    return str(values[0]) if values else ""


def _brings(distribution: importlib.metadata.Distribution) -> set[str]:
    """Top-level packages of a distribution."""
    listed = (distribution.read_text("top_level.txt") or "").split()
    return set(listed) or {file.parts[0] for file in distribution.files or () if len(file.parts) > 1}


def _is_for_users(line: str) -> bool:
    requirement = read_requirement(line)
    return requirement is not None and requirement.extra in EXTRAS
