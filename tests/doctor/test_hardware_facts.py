"""What is read from /proc and /sys, and what is said where they do not tell."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from pathlib import Path

import pytest

from edgeseq.doctor.clock import clock, smallest_step
from edgeseq.doctor.files import Files
from edgeseq.doctor.limits import memory_limit, quota_cores
from edgeseq.doctor.memory import Memory, memory
from edgeseq.doctor.processor import cpu_model, processor
from tests.doctor.machines import BOARD, LAPTOP, machine

GROUP = "sys/fs/cgroup"


def test_a_laptop(tmp_path: Path) -> None:
    found = processor(machine(tmp_path, LAPTOP))
    assert found.model == "Some(R) Core(TM) i5"
    assert found.flags == {
        "avx2": True,
        "f16c": True,
        "avx512f": False,
        "avx512_vnni": False,
        "avx_vnni": True,
        "amx_int8": False,
        "amx_bf16": False,
    }
    assert (found.governor, found.turbo, found.load) == ("powersave", True, 0.52)
    assert (found.virtual, found.container, found.quota_cores) == ("no", False, None)
    assert (found.architecture, found.cores) == (platform.machine(), os.cpu_count())


def test_a_board_with_an_arm_processor(tmp_path: Path) -> None:
    found = processor(machine(tmp_path, BOARD))
    assert found.model == "Raspberry Pi 5 Model B Rev 1.0"
    assert found.flags == {
        "asimd": True,
        "asimdhp": True,
        "asimddp": True,
        "i8mm": False,
        "bf16": False,
        "sve": False,
    }
    assert (found.governor, found.turbo, found.load, found.virtual) == ("ondemand", True, None, None)


def test_a_machine_that_says_nothing(tmp_path: Path) -> None:
    found = processor(Files(tmp_path))
    assert found.model
    assert (found.flags, found.governor, found.turbo, found.load, found.virtual) == (None, None, None, None, None)
    assert memory(Files(tmp_path)) == Memory(None, None, None)
    assert clock(Files(tmp_path)).source is None


def test_the_board_names_itself_where_cpuinfo_does_not(tmp_path: Path) -> None:
    assert cpu_model(machine(tmp_path, {"proc/device-tree/model": "A board\0"})) == "A board"


def test_cores_with_different_governors(tmp_path: Path) -> None:
    other = {"sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "performance"}
    assert processor(machine(tmp_path, LAPTOP, other)).governor == "performance, powersave"


@pytest.mark.parametrize(
    ("file", "text", "on"),
    [
        ("intel_pstate/no_turbo", "1", False),
        ("intel_pstate/no_turbo", "0", True),
        ("cpufreq/boost", "0", False),
        ("cpufreq/boost", "1", True),
        ("cpufreq/boost", "?", None),
    ],
)
def test_turbo(file: str, text: str, on: bool | None, tmp_path: Path) -> None:
    assert processor(machine(tmp_path, {f"sys/devices/system/cpu/{file}": text})).turbo is on


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"proc/version": "Linux version 5.15.90.1-microsoft-standard-WSL2"}, "WSL"),
        ({"proc/cpuinfo": "flags : fpu hypervisor avx2"}, "Some Maker Laptop 14"),
        (
            {
                "proc/cpuinfo": "flags : hypervisor",
                "sys/class/dmi/id/sys_vendor": "",
                "sys/class/dmi/id/product_name": "",
            },
            "yes",
        ),
        ({"sys/hypervisor/type": "xen", "sys/class/dmi/id/sys_vendor": "", "sys/class/dmi/id/product_name": ""}, "xen"),
        ({"sys/class/dmi/id/sys_vendor": "QEMU", "sys/class/dmi/id/product_name": "Virtual Machine"}, None),
    ],
)
def test_hints_at_a_virtual_machine(files: dict[str, str], kind: str | None, tmp_path: Path) -> None:
    assert processor(machine(tmp_path, LAPTOP, files)).virtual == (kind or "QEMU Virtual Machine")


def test_a_container_is_seen(tmp_path: Path) -> None:
    assert processor(machine(tmp_path, {".dockerenv": ""})).container


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"proc/self/cgroup": "0::/", f"{GROUP}/cpu.max": "max 100000"}, None),
        ({"proc/self/cgroup": "0::/", f"{GROUP}/cpu.max": "150000 100000"}, 1.5),
        ({"proc/self/cgroup": "0::/a/b", f"{GROUP}/a/cpu.max": "50000 100000", f"{GROUP}/cpu.max": "max 1"}, 0.5),
        ({"proc/self/cgroup": "0::/host/path", f"{GROUP}/cpu.max": "200000 100000"}, 2.0),
        (
            {
                "proc/self/cgroup": "4:memory:/\n3:cpu,cpuacct:/job\n0::/",
                f"{GROUP}/cpu,cpuacct/job/cpu.cfs_quota_us": "25000",
                f"{GROUP}/cpu,cpuacct/job/cpu.cfs_period_us": "100000",
                f"{GROUP}/cpu,cpuacct/cpu.cfs_quota_us": "-1",
                f"{GROUP}/cpu,cpuacct/cpu.cfs_period_us": "100000",
            },
            0.25,
        ),
        ({"proc/self/cgroup": "no group at all"}, None),
        ({}, None),
    ],
    ids=["none", "version 2", "group above", "mount of a container", "version 1", "nonsense", "nothing"],
)
def test_a_quota_of_processor_time(files: dict[str, str], cores: float | None, tmp_path: Path) -> None:
    assert quota_cores(machine(tmp_path, files)) == cores


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"proc/self/cgroup": "0::/a", f"{GROUP}/a/memory.max": "max"}, None),
        ({"proc/self/cgroup": "0::/a", f"{GROUP}/a/memory.max": "536870912"}, 2**29),
        (
            {
                "proc/self/cgroup": "4:memory:/a",
                f"{GROUP}/memory/a/memory.limit_in_bytes": "1000",
                f"{GROUP}/memory/memory.limit_in_bytes": "9223372036854771712",
            },
            1000,
        ),
    ],
)
def test_a_limit_of_memory(files: dict[str, str], limit: int | None, tmp_path: Path) -> None:
    assert memory_limit(machine(tmp_path, files)) == limit


def test_memory_is_in_bytes(tmp_path: Path) -> None:
    assert memory(machine(tmp_path, LAPTOP)) == Memory(16_000_000 * 1024, 8_000_000 * 1024, None)


@pytest.mark.parametrize(
    ("readings", "step"), [(range(0, 10**9, 250), 250), ([5] * 100_000, None), ([0] * 9 + [7, 9] * 50_000, 2)]
)
def test_the_smallest_step_of_a_clock(readings: Iterable[int], step: int | None) -> None:
    assert smallest_step(iter(readings).__next__) == step


def test_the_clock_of_a_machine(tmp_path: Path) -> None:
    found = clock(machine(tmp_path, LAPTOP), iter(range(0, 10**9, 100)).__next__)
    assert (found.source, found.smallest_step_ns) == ("tsc", 100)
    assert found.claimed_ns > 0
