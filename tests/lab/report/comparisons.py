"""Comparisons made from simulated samples: what a report is tried on."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeseq.lab.comparison import Comparison, Quality, Subject, compare_all
from edgeseq.runtime.measuring.deadline import count_misses
from edgeseq.runtime.measuring.latency import Latency
from edgeseq.runtime.measuring.samples import Raw
from edgeseq.runtime.measuring.series import Series, make_series

PERIOD_NS = 4_000_000
DEADLINE_NS = 2_000_000
POSITIONS = (10, 100, 1_000)
MACHINE: dict[str, Any] = {"cpu": "Imagined CPU", "usable_cores": 2, "governor": None, "flags": ["avx2", "fma"]}
NAMES: tuple[str, ...] = (
    "gru.onnx",
    "transformer.onnx",
    "tcn.onnx",
    "lstm.onnx",
    "rnn.onnx",
    "window.onnx",
    "hybrid.onnx",
)
NAMES += tuple(f"variant {number}, threads 2" for number in range(6))


def steps(random: np.random.Generator, middle_ns: float, count: int, tail: float = 0.01) -> Any:
    """Samples around ``middle_ns`` of which a share is ten to a hundred times as long."""
    values = middle_ns * np.exp(random.normal(0, 0.06, count))
    rare = random.random(count) < tail
    return np.where(rare, values * random.uniform(10, 100, count), values).astype(np.int64)


def latency(index: int, runs: int = 8, count: int = 1_200) -> Latency:
    """One result: the step of every second subject grows with its position."""
    random = np.random.default_rng(index)
    base = 20_000 * 1.6**index
    paced = [steps(random, 2.5 * base, count) for _ in range(runs)]
    series = [
        make_series("back_to_back", [steps(random, base, count) for _ in range(runs)]),
        make_series("paced", paced, PERIOD_NS),
        make_series("paced_step", [run * 9 // 10 for run in paced]),
        *(_at(random, position, base * (1 + index % 2 * position / 200), runs) for position in POSITIONS),
    ]
    return Latency(
        file={"name": NAMES[index], "sha256": "0" * 64, "bytes": 250_000 * (index + 1), "digest": None},
        machine=MACHINE,
        versions={"edgeseq": "0", "onnxruntime": "1.31.1"},
        settings={"steps": count, "period_ns": PERIOD_NS, "deadline_ns": DEADLINE_NS, "at": list(POSITIONS)},
        series=tuple(series),
        load_ns=tuple(int(value) for value in random.integers(4_000_000, 6_000_000, runs)),
        first_step_ns=tuple(int(value) for value in random.integers(100_000, 900_000, runs)),
        peak_rss_bytes=(90_000_000,) * runs,
        state_bytes=1_024,
        stream_bytes=4_096,
        import_ns=(150_000_000,) * runs,
        cold_start_ns=(220_000_000,) * runs,
        state_bytes_at={str(position): 1_024 * (1 + index % 2 * position) for position in POSITIONS},
        clock=({"resolution_ns": 1, "overhead_ns": 45},) * runs,
        readings=tuple({mode: _reading(count, base) for mode in ("back_to_back", "paced")} for _ in range(runs)),
        deadline=count_misses(DEADLINE_NS, [Raw(run) for run in paced]),
    )


def comparison(subjects: int = 2, names: tuple[str, ...] = NAMES, floor: bool = True, **given: Any) -> Comparison:
    """So many subjects with qualities, floors and differences."""
    found = tuple(
        Subject(
            names[index],
            latency(index, **given),
            Quality("accuracy", 0.81 + 0.02 * index, lower_is_better=False),
            _floor(index) if floor else None,
            {"runs": [40, 41, 39], "bounded": False},
        )
        for index in range(subjects)
    )
    return Comparison(found, compare_all(found), sentences=("gru.onnx keeps the deadline of 2 ms",))


def _at(random: np.random.Generator, position: int, middle_ns: float, runs: int) -> Series:
    return make_series(f"at_{position}", [steps(random, middle_ns, 160, 0.0) for _ in range(runs)])


def _reading(count: int, base: float) -> dict[str, Any]:
    return {
        "steps": count,
        "wall_ns": int(count * base),
        "cpu_ns": int(0.97 * count * base),
        "involuntary_switches": 3,
        "steal_ns": 0,
        "others_ns": int(0.02 * count * base),
        "cycles": None,
        "energy_uj": None,
        "throttle_events": None,
        "work_ns_before": 1_000_000,
        "work_ns_after": 1_010_000,
        "reasons": {"cycles": "perf_event_open is not allowed", "energy_uj": "no meter that may be read"},
    }


def _floor(index: int) -> dict[str, Any]:
    plain = {"weight_bytes": 200_000, "state_bytes": 1_024, "multiply_adds": 50_000 * (index + 1)}
    spans = {"floor_ns": 9_000.0, "read_ns": 6_000.0, "multiply_ns": 4_000.0, "call_ns": 3_000.0}
    return {**plain, **spans, "at": {str(position): {**plain, **spans} for position in POSITIONS}}
