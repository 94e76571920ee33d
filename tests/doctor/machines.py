"""Folders that look like /proc and /sys of a machine, and like installed distributions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from edgeseq.doctor.clock import Clock
from edgeseq.doctor.engine import Engine
from edgeseq.doctor.facts import Facts
from edgeseq.doctor.files import Files
from edgeseq.doctor.memory import Memory
from edgeseq.doctor.packages import Packages, Python
from edgeseq.doctor.processor import Processor

#: What edgeseq's metadata says, as pip writes it.
REQUIREMENTS = (
    "numpy>=1.26",
    "click>=8.1",
    'onnxruntime>=1.22; extra == "cpu"',
    'onnxruntime-gpu[cuda,cudnn]>=1.22; extra == "gpu"',
    'torch<2.14,>=2.13; extra == "export"',
    'onnx>=1.19; extra == "export"',
    'onnxscript>=0.7; extra == "export"',
    'onnx-ir<2,>=0.1.16; extra == "quantize"',
)

LAPTOP = {
    "proc/cpuinfo": """\
processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Some(R) Core(TM) i5
flags\t\t: fpu sse4_2 avx2 f16c avx_vnni

processor\t: 1
model name\t: Some(R) Core(TM) i5
flags\t\t: fpu sse4_2 avx2 f16c avx_vnni
""",
    "proc/meminfo": "MemTotal:       16000000 kB\nMemFree:          900000 kB\nMemAvailable:    8000000 kB\n",
    "proc/loadavg": "0.52 0.58 0.59 1/981 12345\n",
    "proc/version": "Linux version 6.1.0\n",
    "proc/self/cgroup": "0::/user.slice/session.scope\n",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
    "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "powersave\n",
    "sys/devices/system/cpu/intel_pstate/no_turbo": "0\n",
    "sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
    "sys/class/dmi/id/sys_vendor": "Some Maker\n",
    "sys/class/dmi/id/product_name": "Laptop 14\n",
}

BOARD = {
    "proc/cpuinfo": """\
processor\t: 0
Features\t: fp asimd evtstrm crc32 atomics fphp asimdhp cpuid asimdrdm asimddp
CPU implementer\t: 0x41

Model\t\t: Raspberry Pi 5 Model B Rev 1.0
""",
    "proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\0",
    "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
    "sys/devices/system/cpu/cpufreq/boost": "1\n",
}


def machine(folder: Path, *parts: Mapping[str, str]) -> Files:
    """A folder with these files; later parts replace what earlier ones hold."""
    for path, text in {name: text for part in parts for name, text in part.items()}.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return Files(folder)


def install(
    folder: Path,
    name: str,
    version: str,
    brings: str | None = None,
    requires: tuple[str, ...] = (),
    listed: bool = True,
) -> None:
    """A distribution in a folder of distributions, its package named in top_level.txt or only in RECORD."""
    brings = brings or name
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    (info / "METADATA").write_text("\n".join([*lines, *(f"Requires-Dist: {line}" for line in requires), "", ""]))
    (info / "RECORD").write_text(f"{brings}/__init__.py,,\n{info.name}/METADATA,,\n../../bin/tool,,\n")
    if listed:
        (info / "top_level.txt").write_text(f"{brings}\n")


def facts(
    versions: Mapping[str, str | None] | None = None,
    engines: Mapping[str, str] | None = None,
    engine: Engine | None = None,
    bits: int = 64,
    musl: bool = False,
    nvidia: bool = False,
    memory: Memory | None = None,
    clock: Clock | None = None,
    **processor: object,
) -> Facts:
    """The facts of a machine with nothing to find, but for what is given."""
    installed = {"edgeseq": "0.1.0", "numpy": "2.4.6", "click": "8.5.1", "torch": "2.13.0", "onnx": "1.23.2"}
    healthy = {
        "model": "a processor",
        "architecture": "x86_64",
        "cores": 4,
        "usable_cores": 4,
        "quota_cores": None,
        "flags": {"avx2": True, "f16c": True, "avx512f": False},
        "governor": "performance",
        "turbo": False,
        "load": 0.25,
        "virtual": "no",
        "container": False,
    }
    return Facts(
        python=Python("3.11.7", "CPython", bits, musl, "Linux-6.1"),
        packages=Packages(
            {**installed, "onnxscript": "0.7.2", "onnx-ir": "1.1.0", **(versions or {})},
            dict({"onnxruntime": "1.31.1"} if engines is None else engines),
            REQUIREMENTS,
        ),
        engine=engine or Engine("1.31.1", ("CPUExecutionProvider",), None),
        processor=Processor(**{**healthy, **processor}),  # type: ignore[arg-type]
        memory=memory or Memory(16 * 2**30, 8 * 2**30, None),
        clock=clock or Clock("clock_gettime(CLOCK_MONOTONIC)", 1.0, 40, "tsc"),
        nvidia=nvidia,
    )
