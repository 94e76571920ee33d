"""What is found on which machine, as text, and that a sound machine has nothing to find."""

from __future__ import annotations

from typing import Any

import pytest

from edgeseq.doctor.clock import Clock
from edgeseq.doctor.engine import Engine
from edgeseq.doctor.examine import Examination, judge
from edgeseq.doctor.finding import SEVERITIES
from edgeseq.doctor.memory import Memory
from tests.doctor.machines import facts

_CPU = "/sys/devices/system/cpu"
_SOURCE = "/sys/devices/system/clocksource/clocksource0"
_FAILED = Engine(None, (), "ImportError: no such library")
_NOTHING = Engine(None, (), "ModuleNotFoundError: No module named 'onnxruntime'")


def test_a_sound_machine_has_nothing_to_find() -> None:
    assert judge(facts()) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"versions": {"torch": "2.13.0+cu130"}, "nvidia": False},
        {"engines": {}, "engine": Engine("1.31.1", ("CPUExecutionProvider",), None)},
        {"engines": {"onnxruntime-gpu": "1.31.1"}, "nvidia": True},
        {"engines": {"onnxruntime-openvino": "1.31.1"}},
        {"engines": {"ort-nightly": "1.31.1.dev20261101"}},
        {"flags": None, "governor": None, "turbo": None, "load": None, "virtual": None, "usable_cores": None},
        {"flags": {"asimd": True, "sve": False}, "architecture": "aarch64"},
        {"memory": Memory(None, None, None)},
        {"load": 2.0, "quota_cores": 4.0},
        {"clock": Clock("QueryPerformanceCounter()", 100.0, 100, None)},
    ],
    ids=str,
)
def test_what_is_no_fault(changes: dict[str, Any]) -> None:
    assert judge(facts(**changes)) == ()


@pytest.mark.parametrize(
    ("changes", "name", "severity", "what", "do"),
    [
        (
            {"bits": 32},
            "python-bits",
            "broken",
            "this Python is built for 32 bits, onnxruntime needs 64",
            "install a 64-bit system and Python",
        ),
        (
            {"engines": {}, "engine": _NOTHING},
            "onnxruntime-missing",
            "broken",
            "onnxruntime is not installed",
            "run pip install 'edgeseq[cpu]' or, for NVIDIA GPUs, 'edgeseq[gpu]'",
        ),
        (
            {"engines": {}, "engine": _NOTHING, "musl": True},
            "onnxruntime-missing",
            "broken",
            "onnxruntime is not installed",
            "it has no wheels for musl, as in Alpine: take an image with glibc, such as Debian, then run "
            "pip install 'edgeseq[cpu]' or, for NVIDIA GPUs, 'edgeseq[gpu]'",
        ),
        (
            {"engines": {"onnxruntime": "1.31.1", "onnxruntime-gpu": "1.30.0"}, "engine": _FAILED},
            "onnxruntime-doubled",
            "broken",
            "onnxruntime and onnxruntime-gpu are installed: they overwrite each other's files",
            "run pip uninstall -y onnxruntime onnxruntime-gpu, then "
            "pip install 'edgeseq[cpu]' or, for NVIDIA GPUs, 'edgeseq[gpu]'",
        ),
        (
            {"engines": dict.fromkeys(("onnxruntime", "onnxruntime-directml", "onnxruntime-openvino"), "1.31.1")},
            "onnxruntime-doubled",
            "broken",
            "onnxruntime, onnxruntime-directml and onnxruntime-openvino are installed: they overwrite each other's "
            "files",
            "run pip uninstall -y onnxruntime onnxruntime-directml onnxruntime-openvino, then "
            "pip install 'edgeseq[cpu]' or, for NVIDIA GPUs, 'edgeseq[gpu]'",
        ),
        (
            {"engine": _FAILED},
            "onnxruntime-fails",
            "broken",
            "onnxruntime 1.31.1 is installed and fails: ImportError: no such library",
            "run pip install --force-reinstall --no-deps onnxruntime",
        ),
        (
            {"engine": Engine("1.30.0", ("CPUExecutionProvider",), None)},
            "onnxruntime-mixed",
            "broken",
            "the installed wheel is onnxruntime 1.31.1, its files are those of 1.30.0",
            "run pip install --force-reinstall --no-deps onnxruntime",
        ),
        (
            {"engines": {"onnxruntime-openvino": "1.18.0"}, "engine": Engine("1.18.0", (), None)},
            "onnxruntime-openvino-version",
            "broken",
            "onnxruntime-openvino 1.18.0 is outside what this edgeseq works with: >=1.22",
            "run pip install 'onnxruntime-openvino>=1.22'",
        ),
        (
            {"versions": {"torch": "2.9.1+cu128"}},
            "torch-version",
            "warning",
            "torch 2.9.1+cu128 is outside what this edgeseq works with: >=2.13,<2.14",
            "run pip install 'torch>=2.13,<2.14'",
        ),
        (
            {"versions": {"numpy": "1.24.0"}},
            "numpy-version",
            "broken",
            "numpy 1.24.0 is outside what this edgeseq works with: >=1.26",
            "run pip install 'numpy>=1.26'",
        ),
        (
            {"versions": {"numpy": None}},
            "numpy-missing",
            "broken",
            "numpy is not installed, edgeseq needs it",
            "run pip install 'numpy>=1.26'",
        ),
        (
            {"versions": {"onnx-ir": None}},
            "quantize-missing",
            "note",
            "without onnx-ir files can be run and measured, not quantized or tuned",
            "to quantize, run pip install 'edgeseq[quantize]'",
        ),
        (
            {"versions": {"onnx-ir": "0.1.15"}},
            "onnx-ir-version",
            "warning",
            "onnx-ir 0.1.15 is outside what this edgeseq works with: >=0.1.16,<2",
            "run pip install 'onnx-ir>=0.1.16,<2'",
        ),
        (
            {"versions": {"torch": None, "onnx": None, "onnxscript": None}},
            "export-missing",
            "note",
            "without torch, onnx and onnxscript files can be run and measured, not exported",
            "to export, run pip install 'edgeseq[export]'",
        ),
        (
            {"engines": {"onnxruntime-gpu": "1.31.1"}},
            "gpu-driver",
            "warning",
            "onnxruntime-gpu is installed and there is no NVIDIA driver: only the processor can be used",
            "install the driver, or run pip uninstall -y onnxruntime-gpu, then pip install 'edgeseq[cpu]'",
        ),
        (
            {"nvidia": True},
            "gpu-unused",
            "note",
            "there is an NVIDIA driver, and this onnxruntime cannot use its GPUs",
            "to use them, run pip uninstall -y onnxruntime, then pip install 'edgeseq[gpu]'",
        ),
        (
            {"flags": {"avx2": False}},
            "avx2",
            "warning",
            "the processor has no AVX2: onnxruntime falls back to slower kernels",
            None,
        ),
        (
            {"governor": "powersave"},
            "governor",
            "warning",
            "the governor is powersave: the clock falls between paced steps, and they take longer",
            f"until the next start: echo performance | sudo tee {_CPU}/cpu*/cpufreq/scaling_governor",
        ),
        (
            {"turbo": True},
            "turbo",
            "note",
            "turbo is on: the clock depends on heat and on what other cores do",
            f"to compare figures: echo 1 | sudo tee {_CPU}/intel_pstate/no_turbo, or echo 0 | sudo tee "
            f"{_CPU}/cpufreq/boost",
        ),
        (
            {"load": 2.5},
            "load",
            "warning",
            "2.5 of 4 cores were busy over the last minute: steps measured now wait for other programs",
            "wait, or stop what else runs",
        ),
        (
            {"quota_cores": 1.5},
            "cpu-quota",
            "warning",
            "a quota allows 1.5 of 4 cores: once it is used up a step waits for the next period",
            "raise the container's limit of processor time, or give it cores of its own in place of a limit",
        ),
        (
            {"virtual": "yes"},
            "virtual-machine",
            "note",
            "this is a virtual machine: its neighbours change the figures, and cannot be seen from here",
            "measure on the device where the file will run",
        ),
        (
            {"virtual": "WSL"},
            "virtual-machine",
            "note",
            "this is a virtual machine (WSL): its neighbours change the figures, and cannot be seen from here",
            "measure on the device where the file will run",
        ),
        (
            {"memory": Memory(2**30, 100 * 2**20, None)},
            "memory",
            "warning",
            "only 100 MiB of memory are free",
            "stop what else runs",
        ),
        (
            {"clock": Clock("a clock", 1e6, 15_600_000, None)},
            "timer",
            "warning",
            "the clock moves in steps of 15,600,000 ns: short steps cannot be timed with it",
            None,
        ),
        (
            {"clock": Clock("a clock", 1.0, None, "tsc")},
            "timer",
            "warning",
            "the clock did not move while it was watched: short steps cannot be timed with it",
            None,
        ),
        (
            {"clock": Clock("a clock", 1.0, 700, "hpet")},
            "clock-source",
            "warning",
            "the clock source is hpet: each reading takes long",
            f"where {_SOURCE}/available_clocksource lists tsc: echo tsc | sudo tee {_SOURCE}/current_clocksource",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else "",
)
def test_what_is_found(changes: dict[str, Any], name: str, severity: str, what: str, do: str | None) -> None:
    (finding,) = judge(facts(**changes))
    assert (finding.name, finding.severity, finding.what, finding.do) == (name, severity, what, do)


def test_a_hidden_avx2_can_be_shown() -> None:
    first, second = judge(facts(flags={"avx2": False}, virtual="QEMU"))
    assert first.do == "let the virtual machine see the host's processor, such as -cpu host in QEMU"
    assert second.name == "virtual-machine"


def test_the_gravest_come_first() -> None:
    found = judge(facts(turbo=True, governor="powersave", engines={}, engine=_NOTHING, virtual="yes", bits=32))
    assert [finding.severity for finding in found] == ["broken", "broken", "warning", "note", "note"]
    assert set(SEVERITIES) == {finding.severity for finding in found}


@pytest.mark.parametrize(
    ("changes", "broken"),
    [({}, False), ({"governor": "powersave"}, False), ({"virtual": "yes"}, False), ({"engine": _FAILED}, True)],
)
def test_only_what_is_broken_is_a_failure(changes: dict[str, Any], broken: bool) -> None:
    known = facts(**changes)
    assert Examination(known, judge(known)).broken is broken
