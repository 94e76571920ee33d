"""``edgeseq doctor``: what it prints, its JSON, its exit code."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from click.testing import CliRunner

from edgeseq import doctor as library
from edgeseq.cli import main
from edgeseq.cli.doctor import describe
from edgeseq.doctor.clock import Clock
from edgeseq.doctor.engine import Engine
from edgeseq.doctor.examine import Examination, judge
from edgeseq.doctor.memory import Memory
from tests.doctor.machines import facts


def examination(**changes: Any) -> Examination:
    known = facts(**changes)
    return Examination(known, judge(known))


def test_tells_a_sound_machine() -> None:
    assert describe(examination()).splitlines() == [
        "edgeseq       0.1.0",
        "python        3.11.7, 64-bit, CPython",
        "system        Linux-6.1",
        "numpy         2.4.6",
        "onnxruntime   onnxruntime 1.31.1",
        "providers     CPUExecutionProvider",
        "torch         2.13.0",
        "onnx          1.23.2",
        "onnxscript    0.7.2",
        "onnx-ir       1.1.0",
        "processor     a processor, x86_64",
        "cores         4, of which this process may use 4",
        "instructions  avx2 f16c; without avx512f",
        "governor      performance",
        "turbo         off",
        "load          0.25 cores over the last minute",
        "virtual       no",
        "memory        16.0 GiB, 8.0 GiB free",
        "clock         smallest step seen 40 ns (claimed: 1 ns), clock_gettime(CLOCK_MONOTONIC), source tsc",
        "",
        "nothing to change",
    ]


def test_tells_what_to_change() -> None:
    found = examination(
        engines={"onnxruntime": "1.31.1", "onnxruntime-gpu": "1.31.1"},
        governor="powersave",
        quota_cores=0.5,
        container=True,
        memory=Memory(2**32, 2**31, 2**29),
    )
    lines = describe(found).splitlines()
    assert "onnxruntime   onnxruntime 1.31.1, onnxruntime-gpu 1.31.1" in lines
    assert "cores         4, of which this process may use 4, for 0.5 cores' time" in lines
    assert "virtual       no, in a container" in lines
    assert "memory        4.0 GiB, 2.0 GiB free, this process is limited to 512.0 MiB" in lines
    assert lines[lines.index("") + 1 :] == [
        "broken        onnxruntime-doubled: onnxruntime and onnxruntime-gpu are installed: they overwrite",
        "              each other's files",
        "              -> run pip uninstall -y onnxruntime onnxruntime-gpu, then pip install 'edgeseq[cpu]' or, for "
        "NVIDIA GPUs, 'edgeseq[gpu]'",
        "warning       governor: the governor is powersave: the clock falls between paced steps, and they",
        "              take longer",
        "              -> until the next start: echo performance | sudo tee "
        "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
        "warning       cpu-quota: a quota allows 0.5 of 4 cores: once it is used up a step waits for the next",
        "              period",
        "              -> raise the container's limit of processor time, or give it cores of its own in place of a "
        "limit",
    ]


def test_says_not_available_where_the_machine_does_not_say() -> None:
    unknown: dict[str, Any] = dict.fromkeys(("flags", "governor", "turbo", "load", "virtual", "usable_cores"))
    lines = describe(
        examination(
            **unknown,
            memory=Memory(None, None, None),
            clock=Clock("a clock", 1.0, 40, None),
            engines={},
            engine=Engine(None, (), "missing"),
            versions={"torch": None},
        )
    ).splitlines()
    assert "onnxruntime   not installed" in lines
    assert "torch         not installed" in lines
    for label in ("providers", "instructions", "governor", "turbo", "load", "virtual", "memory"):
        assert f"{label:<14}not available" in lines
    assert "cores         4, of which this process may use not available" in lines
    assert lines[18].endswith("source not available")


@pytest.mark.parametrize(("bits", "code"), [(64, 0), (32, 1)])
def test_exit_code(bits: int, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "examine", lambda: examination(bits=bits))
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == code
    assert ("broken        python-bits" in result.stdout) is bool(code)


def test_json_of_this_machine() -> None:
    result = CliRunner().invoke(main, ["doctor", "--json", "-"])
    document = json.loads(result.stdout)
    assert (document["format"], document["version"], document["broken"]) == ("edgeseq.doctor", 1, False)
    assert result.exit_code == 0
    assert set(document) == {
        "format",
        "version",
        "broken",
        "python",
        "packages",
        "engine",
        "processor",
        "memory",
        "clock",
        "nvidia",
        "findings",
    }
    assert document["packages"]["engines"].keys() == {"onnxruntime"}
    assert document["engine"]["version"]
    assert document["clock"]["smallest_step_ns"] > 0


def test_the_report_names_no_place_and_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    text = CliRunner().invoke(main, ["doctor", "--json", "-"]).stdout
    for private in (os.path.expanduser("~"), os.getcwd(), os.uname().nodename):
        assert private not in text or len(private) < 3
