"""Checks of what is installed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from edgeseq.doctor.facts import Facts
from edgeseq.doctor.finding import Check, Finding
from edgeseq.requirements import read_requirement

_EITHER = "pip install 'edgeseq[cpu]' or, for NVIDIA GPUs, 'edgeseq[gpu]'"


def python_is_64_bit(facts: Facts) -> Iterator[Finding]:
    """onnxruntime has no wheels for 32 bits."""
    if facts.python.bits != 64:
        yield Finding(
            "python-bits",
            "broken",
            f"this Python is built for {facts.python.bits} bits, onnxruntime needs 64",
            "install a 64-bit system and Python",
        )


def one_engine(facts: Facts) -> Iterator[Finding]:
    """Exactly one distribution may bring the package onnxruntime."""
    wheels = list(facts.packages.engines)
    if len(wheels) > 1:
        yield Finding(
            "onnxruntime-doubled",
            "broken",
            f"{_and(wheels)} are installed: they overwrite each other's files",
            f"run pip uninstall -y {' '.join(wheels)}, then {_EITHER}",
        )
    elif not wheels and facts.engine.version is None:
        musl = "it has no wheels for musl, as in Alpine: take an image with glibc, such as Debian, then run "
        yield Finding(
            "onnxruntime-missing",
            "broken",
            "onnxruntime is not installed",
            f"{musl if facts.python.musl else 'run '}{_EITHER}",
        )


def engine_loads(facts: Facts) -> Iterator[Finding]:
    """An installed onnxruntime must import, and be the one that its metadata says."""
    wheels, engine = facts.packages.engines, facts.engine
    if len(wheels) != 1:
        return
    ((wheel, version),) = wheels.items()
    again = f"run pip install --force-reinstall --no-deps {wheel}"
    if engine.error is not None:
        yield Finding("onnxruntime-fails", "broken", f"{wheel} {version} is installed and fails: {engine.error}", again)
    elif engine.version is not None and _release(engine.version) != _release(version):
        what = f"the installed wheel is {wheel} {version}, its files are those of {engine.version}"
        yield Finding("onnxruntime-mixed", "broken", what, again)


def versions_fit(facts: Facts) -> Iterator[Finding]:
    """Versions outside what edgeseq's own metadata asks for; what is missing."""
    wheel, version = next(iter(facts.packages.engines.items()), ("onnxruntime", facts.engine.version))
    versions = {**facts.packages.versions, "onnxruntime": version}
    for line in facts.packages.requirements:
        wanted = read_requirement(line)
        if wanted is None or wanted.extra == "gpu":
            continue
        # Every build of onnxruntime has to be as new as the plain one.
        name, there = wheel if wanted.extra == "cpu" else wanted.name, versions.get(wanted.name)
        install = f"run pip install '{name}{wanted.wanted}'"
        if there is not None and not wanted.allows(there):
            yield Finding(
                f"{name}-version",
                "warning" if wanted.extra in ("export", "quantize") else "broken",
                f"{name} {there} is outside what this edgeseq works with: {wanted.wanted}",
                install,
            )
        elif there is None and wanted.extra is None:
            yield Finding(f"{name}-missing", "broken", f"{name} is not installed, edgeseq needs it", install)


def exporting(facts: Facts) -> Iterator[Finding]:
    """Running needs no PyTorch; exporting and verifying against a module do."""
    missing = [name for name in ("torch", "onnx", "onnxscript") if facts.packages.versions.get(name) is None]
    if missing:
        yield Finding(
            "export-missing",
            "note",
            f"without {_and(missing)} files can be run and measured, not exported",
            "to export, run pip install 'edgeseq[export]'",
        )


def quantizing(facts: Facts) -> Iterator[Finding]:
    """Quantizing and tuning need a package that running does not; exporting brings it."""
    if facts.packages.versions.get("onnx-ir") is None:
        yield Finding(
            "quantize-missing",
            "note",
            "without onnx-ir files can be run and measured, not quantized or tuned",
            "to quantize, run pip install 'edgeseq[quantize]'",
        )


def gpu_fits(facts: Facts) -> Iterator[Finding]:
    """The GPU build of onnxruntime and the driver belong together."""
    wheels = list(facts.packages.engines)
    if wheels == ["onnxruntime-gpu"] and not facts.nvidia:
        what = "onnxruntime-gpu is installed and there is no NVIDIA driver: only the processor can be used"
        do = "install the driver, or run pip uninstall -y onnxruntime-gpu, then pip install 'edgeseq[cpu]'"
        yield Finding("gpu-driver", "warning", what, do)
    if wheels == ["onnxruntime"] and facts.nvidia:
        what = "there is an NVIDIA driver, and this onnxruntime cannot use its GPUs"
        do = "to use them, run pip uninstall -y onnxruntime, then pip install 'edgeseq[gpu]'"
        yield Finding("gpu-unused", "note", what, do)


INSTALLATION: tuple[Check, ...] = (
    python_is_64_bit,
    one_engine,
    engine_loads,
    versions_fit,
    exporting,
    quantizing,
    gpu_fits,
)


def _and(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _release(version: str) -> str:
    """The numbers of a version: wheels of one release may differ in what follows."""
    match = re.match(r"[0-9]+(?:\.[0-9]+)*", version)
    return version if match is None else match[0]
