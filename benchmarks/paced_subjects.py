"""What is compared by ``benchmarks.paced``, and what one process finds out about it."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from edgeseq import runtime
from edgeseq.errors import ProviderError
from edgeseq.runtime.devices import Array
from edgeseq.runtime.measuring.samples import Raw, Samples
from edgeseq.runtime.measuring.timing import busy_thread, time_paced, time_steps
from edgeseq.runtime.paced import Dummy, PacedRunner, Scheduling, Spin, Touch
from edgeseq.runtime.paced.warming import KeepWarm

FEATURES, PERIOD = 64, 0.01
#: Steps before those that count, and frames that are put before their time: the caller's own delays are not measured.
WARM_UP, AHEAD = 50, 4
#: Steps of which a p99 has ten beyond it.
ENOUGH = 1_000


@dataclass(frozen=True)
class Subject:
    """``how``: back_to_back, a loop by hand, or a runner in a thread or a process; ``busy``: beside a Python thread."""

    model: str
    how: str
    keep_warm: KeepWarm = None
    busy: bool = False
    switch_s: float | None = None
    scheduling: Scheduling = field(default_factory=Scheduling)


#: Beside the large model, what a median will do for: the whole is to take twelve minutes.
BRIEF = ("small_touch", "small_always_spin", "system_slack", "system_uncollected")
#: Ways to keep warm, by the words of the tables.
WARM: Mapping[str, KeepWarm] = {
    "none": None,
    "touch": Touch(),
    "spin": Spin(),
    "dummy": Dummy(),
    "always_spin": Spin(lead=inf),
}
#: What is asked of the system in place of the runner's own choice.
SYSTEM: Mapping[str, Scheduling] = {
    "one_core": Scheduling(cores=(1,)),
    "fifo": Scheduling(fifo=50),
    "locked": Scheduling(lock_memory=True),
    "slack": Scheduling(timer_slack_ns=None),
    "slice": Scheduling(slice_ns=None),
    "collected": Scheduling(garbage="collect"),
    "uncollected": Scheduling(garbage="disable"),
}


def _subjects() -> dict[str, Subject]:
    found = {
        "small_back_to_back": Subject("small", "back_to_back"),
        "large_back_to_back": Subject("large", "back_to_back"),
    }
    found |= {f"small_{name}": Subject("small", "process", keep_warm) for name, keep_warm in WARM.items()}
    for name in ("none", "touch", "dummy"):
        found[f"large_{name}"] = Subject("large", "process", WARM[name])
    found |= {f"system_{name}": Subject("small", "process", scheduling=asked) for name, asked in SYSTEM.items()}
    default = Subject("small", "process", busy=True)
    found["busy_process"] = default
    found["busy_process_slice"] = replace(default, scheduling=SYSTEM["slice"])
    found["busy_process_fifo"] = replace(default, scheduling=SYSTEM["fifo"])
    found["busy_process_dummy"] = replace(default, keep_warm=WARM["dummy"])
    for name in ("thread", "by_hand"):
        found[name] = Subject("small", name)
        found[f"busy_{name}"] = Subject("small", name, busy=True)
    found["busy_thread_switch"] = Subject("small", "thread", busy=True, switch_s=0.0005)
    return found


SUBJECTS = _subjects()


def measure(name: str, folder: Path, steps: int) -> dict[str, float]:
    """What one process found: microseconds from due to answer, of the step, of the wake; cores in percent.

    Nothing where the machine does not permit what the subject asks for; no p99 without the steps for one.
    """
    subject = SUBJECTS[name]
    if subject.model == "large" or name in BRIEF:
        steps //= 4
    path = folder / f"{subject.model}.onnx"
    if subject.switch_s is not None:
        sys.setswitchinterval(subject.switch_s)
    frames = np.random.default_rng(0).standard_normal((WARM_UP, 1, 1, FEATURES)).astype(np.float32)
    if subject.how == "back_to_back":
        return back_to_back(path, frames, steps)
    try:
        return (
            by_hand(subject, path, frames, steps)
            if subject.how == "by_hand"
            else by_runner(subject, path, frames, steps)
        )
    except ProviderError as error:
        sys.stderr.write(f"{name}: {error}\n")
        return {"available": 0.0}


def back_to_back(path: Path, frames: Array, steps: int) -> dict[str, float]:
    """Steps that follow each other at once."""
    stream, samples = runtime.load(path).stream(), np.zeros(20 * steps, np.int64)
    ready = _ready(stream, frames)
    time_steps(ready, np.zeros(2_000, np.int64))
    time_steps(ready, samples)
    return quantiles({"step": Raw(samples)})


def by_hand(subject: Subject, path: Path, frames: Array, steps: int) -> dict[str, float]:
    """The usual loop: sleep until a frame is due, step, again."""
    from_due, from_call = np.zeros(WARM_UP + steps, np.int64), np.zeros(WARM_UP + steps, np.int64)
    stream = runtime.load(path).stream()
    with busy_thread(subject.busy):
        time_paced(_ready(stream, frames), from_due, from_call, round(PERIOD * 1e9))
    return quantiles({"due": Raw(from_due[WARM_UP:]), "step": Raw(from_call[WARM_UP:])})


def by_runner(subject: Subject, path: Path, frames: Array, steps: int) -> dict[str, float]:
    """A paced runner, whose caller puts frames ahead and reads answers when it gets around to it."""
    runner = PacedRunner(
        path,
        PERIOD,
        margin=(AHEAD + 0.5) * PERIOD,  # half a period beside the slots: the caller wakes while the loop sleeps
        queue=4 * AHEAD,
        on_full="wait",
        where=subject.how,
        keep_warm=subject.keep_warm,
        scheduling=subject.scheduling,
    )
    with runner, busy_thread(subject.busy):
        begun, before = time.monotonic(), None
        for index in range(WARM_UP + steps):
            time.sleep(max(0.0, begun + index * PERIOD - time.monotonic()))
            runner.put(frames[index % WARM_UP])
            while runner.get(timeout=0) is not None:
                pass
            if index == WARM_UP:
                before = runner.report()
        time.sleep(AHEAD * PERIOD)  # no slot passes for which there is no frame
        seen = runner.report() if before is None else runner.report().since(before)
    found = quantiles({"due": seen.latency, "step": seen.step, "wake": seen.wake})
    return {**found, "cpu_percent": 100 * seen.cpu_share, "xruns": float(seen.xruns.total)}


def quantiles(samples: Mapping[str, Samples]) -> dict[str, float]:
    """Microseconds by name and quantile."""
    found = {}
    for name, values in samples.items():
        for quantile, share in (("p50", 0.5), ("p99", 0.99)):
            if share == 0.5 or len(values) >= ENOUGH:
                found[f"{name}_{quantile}_us"] = values.quantile(share) / 1_000
    return found


def _ready(stream: runtime.Stream, frames: Sequence[Any] | Array) -> Any:
    count = iter(range(10**9))
    return lambda: (stream.step, frames[next(count) % len(frames)])


def write_files(folder: Path) -> None:
    """One GRU layer of 128 units to ``small.onnx``, two of 512 with a head to ``large.onnx``."""
    import torch

    import edgeseq
    from benchmarks.models import Recurrent, Stack

    models: dict[str, torch.nn.Module] = {"small": Recurrent(), "large": Stack("GRU", 2, 512)}
    for name, model in models.items():
        torch.manual_seed(0)
        spec = {"x": f"float32[batch,time,{FEATURES}]"}
        edgeseq.export(model, spec, folder / f"{name}.onnx", golden=False)
