"""The processor and what decides how fast it runs: flags, clock, cores, load, the machine around it."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass

from edgeseq.doctor.files import Files
from edgeseq.doctor.limits import quota_cores

#: Instructions that onnxruntime's kernels choose by, for both families of processors.
X86_FLAGS = ("avx2", "f16c", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8", "amx_bf16")
ARM_FLAGS = ("asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve")
_CPU = "sys/devices/system/cpu"


@dataclass(frozen=True)
class Processor:
    """A processor; None stands for what the machine does not say.

    ``usable_cores`` are those this process may run on, ``quota_cores`` the processor time it may take. ``flags`` says
    of each instruction set that matters whether it is there. ``load`` is the average over the last minute, in cores.
    ``virtual`` is ``no`` where nothing hints at a virtual machine, else its kind, or ``yes``.
    """

    model: str
    architecture: str
    cores: int | None
    usable_cores: int | None
    quota_cores: float | None
    flags: Mapping[str, bool] | None
    governor: str | None
    turbo: bool | None
    load: float | None
    virtual: str | None
    container: bool


def processor(files: Files) -> Processor:
    """The processor that ``files`` and the operating system describe."""
    return Processor(
        model=cpu_model(files),
        architecture=platform.machine(),
        cores=os.cpu_count(),
        usable_cores=usable_cores(),
        quota_cores=quota_cores(files),
        flags=instruction_sets(files),
        governor=governor(files),
        turbo=turbo(files),
        load=_load(files),
        virtual=virtual(files),
        container=any(files.text(path) is not None for path in (".dockerenv", "run/.containerenv")),
    )


def cpu_model(files: Files) -> str:
    """The name of the processor, or of the board where an ARM processor does not say its own."""
    info = files.fields("proc/cpuinfo")
    board = info.get("Model") or files.text("proc/device-tree/model")
    return info.get("model name") or board or platform.processor() or platform.machine()


def usable_cores() -> int | None:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def governor(files: Files) -> str | None:
    """What chooses the clock: ``performance``, ``powersave``, ...; several where the cores differ."""
    return ", ".join(files.texts(_CPU, "cpu[0-9]*/cpufreq/scaling_governor")) or None


def turbo(files: Files) -> bool | None:
    """Whether the clock may rise above its nominal frequency."""
    off, boost = files.number(f"{_CPU}/intel_pstate/no_turbo"), files.number(f"{_CPU}/cpufreq/boost")
    if off is not None:
        return off == 0
    return None if boost is None else boost == 1


def virtual(files: Files) -> str | None:
    """The kind of virtual machine, ``yes`` without a name, ``no`` without a hint, None where nothing can be read."""
    if "microsoft" in (files.text("proc/version") or "").lower():
        return "WSL"
    named = " ".join(files.text(f"sys/class/dmi/id/{name}") or "" for name in ("sys_vendor", "product_name")).strip()
    kind = files.text("sys/hypervisor/type")
    flags = files.fields("proc/cpuinfo").get("flags")
    if kind or "hypervisor" in (flags or "").split():
        return named or kind or "yes"
    if "QEMU" in named or "KVM" in named:
        return named
    return None if flags is None and not named else "no"


def instruction_sets(files: Files) -> dict[str, bool] | None:
    """Whether each instruction set that onnxruntime's kernels choose by is there; None where nothing says so."""
    info = files.fields("proc/cpuinfo")
    for label, known in (("flags", X86_FLAGS), ("Features", ARM_FLAGS)):
        if label in info:
            there = set(info[label].split())
            return {flag: flag in there for flag in known}
    return None


def _load(files: Files) -> float | None:
    first = (files.text("proc/loadavg") or "").partition(" ")[0]
    try:
        return float(first)
    except ValueError:
        return None
