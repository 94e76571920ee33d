"""Each finding where it belongs and not where it does not: a quiet result has one, that p99.9 needs more samples."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeseq.lab.comparison import Comparison, Subject
from edgeseq.lab.findings import ACROSS, RULES, find, find_across
from edgeseq.runtime.measuring.latency import Latency
from edgeseq.runtime.measuring.series import make_series
from tests.lab.report.comparisons import MACHINE, PERIOD_NS

STEPS = 1_000
READING: dict[str, Any] = {
    "steps": STEPS,
    "wall_ns": 10**9,
    "cpu_ns": 10**9,
    "work_ns_before": 100,
    "work_ns_after": 101,
}


def steps(middle_ns: float = 50_000, slower: float = 0.0, times: float = 3.0, growth: float = 1.0) -> list[int]:
    """Steps of one process: a share takes ``times`` as long, the last ``growth`` times as long as the first."""
    random = np.random.default_rng(1)
    values = middle_ns * random.lognormal(0, 0.03, STEPS) * np.linspace(1, growth, STEPS)
    return [int(value) for value in np.where(random.random(STEPS) < slower, times, 1) * values]


def result(
    warm: Sequence[Sequence[int]] | None = None,
    paced: Sequence[Sequence[int]] | None = None,
    at: dict[int, float] | None = None,
    reading: dict[str, Any] | None = None,
    **more: Any,
) -> Latency:
    """Eight quiet processes, but for what is given."""
    warm, paced = warm or [steps()] * 8, paced or [steps()] * 8
    series = [
        make_series("back_to_back", warm),
        make_series("paced", paced, PERIOD_NS),
        make_series("paced_step", paced),
        *(make_series(f"at_{place}", [steps(middle)] * 8) for place, middle in (at or {}).items()),
    ]
    plain: dict[str, Any] = {
        "file": {"name": "m.onnx", "sha256": "0", "bytes": 10_000, "digest": None},
        "machine": MACHINE,
        "versions": {},
        "settings": {"period_ns": PERIOD_NS, "device": "cpu"},
        "load_ns": (1,),
        "first_step_ns": (1,),
        "peak_rss_bytes": (None,),
        "state_bytes": 4,
        "clock": ({"resolution_ns": 1, "overhead_ns": 40},) * 8,
        "readings": ({"back_to_back": {**READING, **(reading or {})}},) * 8,
    }
    return Latency(series=tuple(series), **{**plain, **more})


def found(name: str, latency: Latency) -> list[str]:
    return [finding.sentence for finding in find(latency) if finding.name == name]


FIRES: dict[str, tuple[Latency, str]] = {
    "bimodal": (
        result(warm=[steps(slower=0.2)] * 8, reading={"involuntary_switches": 300}),
        "back to back: 80 % of the steps around 50.0 us, 20 % around 150 us, something else runs on this core "
        "(300 involuntary switches in 1,000 steps)",
    ),
    "ramp": (
        result(at={10: 50_000, 1_000: 200_000}),
        "cost grows with position: 49.9 us at 10, 200 us at 1,000, 4.0 times",
    ),
    "cold caches": (
        result(paced=[steps(600_000)] * 8),
        "paced is 12x back-to-back: caches go cold, see keep-warm in docs/deadlines.md",
    ),
    "late": (
        result(paced=[steps(5_000_000)] * 8),
        "paced: most steps ended after the next was due, so that lateness adds up",
    ),
    "one process": (result(warm=[steps()]), "one process only, nothing is known about other ones"),
    "unsteady": (
        result(warm=[steps()] * 7 + [steps(100_000)]),
        "back to back: the median of one process is 2.00 times that of another",
    ),
    "slowed down": (
        result(reading={"work_ns_after": 130}),
        "back to back: a fixed piece of work took 1.30 times as long afterwards (8 of 8 processes)",
    ),
    "not alone": (result(reading={"others_ns": 5 * 10**8}), "back to back: other programs kept 0.5 cores busy"),
    "coarse clock": (
        result(clock=({"resolution_ns": 1_000, "overhead_ns": 40},)),
        "the clock moves by 1.00 us, 2 % of a median step",
    ),
    "too few samples": (result(), "p99.9 needs 10,000 samples in every process, one has 1,000"),
}


def test_every_finding_has_its_case() -> None:
    assert FIRES.keys() == RULES.keys()


@pytest.mark.parametrize("name", FIRES)
def test_it_is_found(name: str) -> None:
    latency, sentence = FIRES[name]
    assert found(name, latency) == [sentence]


def test_a_quiet_result_has_none_but_its_refusals() -> None:
    assert [finding.name for finding in find(result(at={10: 50_000, 1_000: 50_000}))] == ["too few samples"]


def test_enough_samples_refuse_nothing() -> None:
    many = [steps() * 10]
    latency = replace(result(), series=(make_series("back_to_back", many * 8),))
    assert not find(latency)


def test_two_hills_without_switches_have_another_reason() -> None:
    warm = [steps(slower=0.2)] * 8
    quiet, unknown = (found("bimodal", result(warm=warm, reading=one)) for one in ({"involuntary_switches": 0}, None))
    assert "no other program" in quiet[0]
    assert "may run" in unknown[0]


def test_processes_of_two_kinds_are_not_taken_for_steps_of_two_kinds() -> None:
    assert "3 of 8 processes" in found("bimodal", result(warm=[steps()] * 5 + [steps(150_000)] * 3))[0]


def test_without_positions_the_steps_themselves_show_a_trend() -> None:
    assert "grew over the steps" in found("ramp", result(warm=[steps(growth=2)] * 8))[0]


def test_the_host_is_named_apart_from_other_programs() -> None:
    assert found("not alone", result(reading={"steal_ns": 10**8})) == [
        "back to back: the host took 0.1 cores from this virtual machine"
    ]


def test_a_clock_that_takes_long_to_read() -> None:
    slow = result(clock=({"resolution_ns": 1, "overhead_ns": 5_000},))
    assert found("coarse clock", slow) == ["reading the clock takes 5.00 us, 10 % of a median step"]


def sized(device: str, kib: int, middle_ns: float) -> Subject:
    """A file of this size on this device."""
    file = {"name": f"gru{kib}.onnx", "sha256": str(kib), "bytes": kib * 1024, "digest": None}
    settings = {"period_ns": PERIOD_NS, "device": device}
    latency = result(paced=[steps(middle_ns)] * 8, file=file, settings=settings)
    return Subject(f"gru{kib} {device}", latency)


def across(name: str, *subjects: Subject) -> list[str]:
    return [finding.sentence for finding in find_across(Comparison(subjects)) if finding.name == name]


def test_the_gpu_loses_on_small_files() -> None:
    small, large = (
        (sized("cuda:0", 100, 200_000), sized("cpu", 100, 50_000)),
        (sized("cuda:0", 900, 90_000), sized("cpu", 900, 400_000)),
    )
    assert across("GPU", *small, *large) == [
        "the GPU loses to the CPU up to gru100.onnx (100 KiB), and wins from gru900.onnx (900 KiB) on"
    ]
    assert not across("GPU", *large)
    assert not across("GPU", small[0], large[1])


def test_one_subject_becomes_slower_than_another() -> None:
    grows = Subject("transformer", result(at={10: 40_000, 100: 50_000, 1_000: 200_000}))
    flat = Subject("gru", result(at={10: 50_000, 100: 50_000, 1_000: 50_000}))
    assert across("crossing", grows, flat) == [
        "transformer is faster than gru up to position 10 and slower from 1,000 on"
    ]
    assert not across("crossing", flat, flat)


def test_the_page_lists_every_finding() -> None:
    page = (Path(__file__).parents[3] / "docs" / "measuring.md").read_text(encoding="utf-8")
    table = page.partition("## Findings")[2].partition("\n## ")[0]
    assert re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)[1:] == [*RULES, *ACROSS]
