"""Readings of the machine around a part of a run: the arithmetic, and what stands there where nothing can be read."""

import dataclasses
import errno
import json
import os
import struct
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from edgeseq.doctor.caches import caches
from edgeseq.doctor.files import Files
from edgeseq.runtime.measuring import counters
from edgeseq.runtime.measuring.energy import Meter, read_meters, spent
from edgeseq.runtime.measuring.load import Load, read_load
from edgeseq.runtime.measuring.machine import machine
from edgeseq.runtime.measuring.readings import Readings, begin, end
from edgeseq.runtime.measuring.throttling import frequency_khz, throttle_events

METER = "sys/class/powercap/intel-rapl:0"
METERS = {
    f"{METER}/name": "package-0\n",
    f"{METER}/energy_uj": "900\n",
    f"{METER}/max_energy_range_uj": "1000\n",
    f"{METER}:0/energy_uj": "5\n",
}
HEAT = "sys/devices/system/cpu/cpu{}/thermal_throttle/{}_throttle_count"
COUNTS = {HEAT.format(0, "core"): "3", HEAT.format(0, "package"): "1", HEAT.format(1, "core"): "2"}
STAT = "cpu  10 20 30 400 50 6 7 8 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n"


def folder(root: Path, texts: Mapping[str, str]) -> Files:
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return Files(root)


def test_readings_of_this_process_survive_json() -> None:
    found = end(begin())
    assert Readings.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert min(found.wall_ns, found.work_ns_before, found.work_ns_after) > 0
    unread = [item.name for item in dataclasses.fields(found) if getattr(found, item.name) is None]
    assert sorted(found.reasons) == sorted(unread)


def test_a_machine_that_tells_nothing_gives_reasons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    found = end(begin(Files(tmp_path)))
    assert found == dataclasses.replace(found, user_ns=None, cycles=None, energy_uj=None, steal_ns=None)
    assert found.reasons["major_faults"] == "win32 has no getrusage"
    assert found.reasons["instructions"].startswith("hardware counters are read on Linux only, this is win32")
    assert found.reasons["energy_uj"] == "the machine exposes no energy meter (Linux powercap)"
    assert found.reasons["others_ns"] == "the system has no /proc/stat"
    assert (found.others_cores, found.steal_cores, found.cpu_ns >= 0) == (None, None, True)


def test_what_moved_between_begin_and_end_is_found(tmp_path: Path) -> None:
    files = folder(tmp_path, {**METERS, **COUNTS, "proc/stat": STAT})
    start = begin(files)
    folder(tmp_path, {f"{METER}/energy_uj": "150", HEAT.format(1, "core"): "4"})
    folder(tmp_path, {"proc/stat": STAT.replace("cpu  10", "cpu  9999").replace(" 8 0 0\ncpu0", " 9 0 0\ncpu0")})
    found = end(start)
    tick_ns = 10**9 // os.sysconf("SC_CLK_TCK")
    assert found.energy_uj == {"package-0": 250}
    assert found.throttle_events == 2
    assert found.throttled == "the processor was slowed down for heat 2 times"
    assert found.steal_ns == tick_ns
    assert (found.others_ns or 0) > 9000 * tick_ns


def test_energy_meters_begin_anew_and_come_and_go() -> None:
    before = {"a": Meter("package-0", 10, 100), "b": Meter("package-1", 90, 100), "c": Meter("gone", 1, None)}
    after = {"a": Meter("package-0", 30, 100), "b": Meter("package-1", 5, 100), "d": Meter("new", 1, None)}
    assert spent(before, after) == {"package-0": 20, "package-1": 15}


def test_meters_that_may_not_be_read_say_so(tmp_path: Path) -> None:
    files = folder(tmp_path, {f"{METER}/name": "package-0"})
    assert read_meters(files) == (
        {},
        "the energy meters may be read by the administrator only, and not inside most containers",
    )


def test_throttling_clock_and_load_are_read(tmp_path: Path) -> None:
    fields = " ".join(["S", *(["0"] * 35), "5", "0"])
    clock = {
        "proc/self/stat": f"12 (a ) b) {fields}",
        "sys/devices/system/cpu/cpu5/cpufreq/scaling_cur_freq": "1800000",
    }
    files = folder(tmp_path, {**COUNTS, **clock, "proc/stat": STAT})
    load, tick_ns = read_load(files), 10**9 // os.sysconf("SC_CLK_TCK")
    assert load == Load(73 * tick_ns, 8 * tick_ns)
    assert throttle_events(files) == 6
    assert frequency_khz(files) == 1_800_000


@pytest.mark.parametrize(("after", "words"), [(110, None), (150, "a fixed piece of work took 1.50 times as long")])
def test_slower_work_hints_at_throttling(after: int, words: str | None) -> None:
    found = Readings(wall_ns=1, cpu_ns=1, work_ns_before=100, work_ns_after=after)
    assert found.throttled is None if words is None else words in (found.throttled or "")


def test_counters_that_shared_the_hardware_are_scaled_up() -> None:
    read = [struct.pack("=QQQ", 100, 40, 10), struct.pack("=QQQ", 7, 5, 5), struct.pack("=QQQ", 0, 5, 0)]
    assert counters.add_up(read) == 407
    assert counters.add_up(read[2:]) is None


def test_a_refusal_of_the_counters_is_said_in_words() -> None:
    assert counters.refused(errno.ENOENT).endswith("the processor, or the virtual machine around it, shows no counters")
    assert "it needs more rights" in counters.refused(errno.EACCES)


def test_caches_are_those_for_data(tmp_path: Path) -> None:
    folders = "sys/devices/system/cpu/cpu0/cache/index{}/{}"
    rows = [("Data", "1", "48K"), ("Instruction", "1", "32K"), ("Unified", "2", "2M"), ("Unified", "3", "odd")]
    texts = {
        folders.format(index, name): text
        for index, row in enumerate(rows)
        for name, text in zip(("type", "level", "size"), row, strict=True)
    }
    assert caches(folder(tmp_path, texts)) == {"L1": 48 * 2**10, "L2": 2 * 2**20}


def test_the_machine_of_a_result_is_plain() -> None:
    found = machine()
    assert {"flags", "caches", "memory_bytes", "cpu", "governor"} <= set(found)
    assert json.loads(json.dumps(found)) == found
