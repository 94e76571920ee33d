"""What looking for NaN and infinities adds to ``stream.step``, for frames of 64, 1,024 and 16,384 values.

python -m benchmarks.finite_check [--runs 11] [--steps 20000] [--json out.json]
"""

from __future__ import annotations

import statistics
from pathlib import Path
from time import perf_counter_ns

import numpy as np

from benchmarks.alternate import Comparison
from benchmarks.result import Figure
from benchmarks.script import Script, main
from edgeseq import runtime

SIZES = (64, 1024, 16_384)
HIDDEN = 8
WARM_UP = 1_000
POLICIES = ("raise", "pass")


def write_files(folder: Path) -> None:
    """A GRU of a few units for every size of frame."""
    from tests.handmade import gru

    for size in SIZES:
        gru(size, HIDDEN).save(folder / f"{size}.onnx")


def measure(subject: str, folder: Path, steps: int) -> dict[str, float]:
    """The median step of two streams over one file that take turns, step by step, every other round backwards."""
    size = int(subject)
    frame = np.random.default_rng(0).standard_normal((1, 1, size)).astype(np.float32)
    model = runtime.load(folder / f"{size}.onnx")
    streams = [model.stream(on_nonfinite=policy) for policy in POLICIES]
    times: tuple[list[int], list[int]] = ([], [])
    for number in range(WARM_UP + steps):
        for index in (0, 1) if number % 2 else (1, 0):
            step = streams[index].step
            begin = perf_counter_ns()
            step(frame)
            times[index].append(perf_counter_ns() - begin)
    return {f"{policy}_us": statistics.median(times[i][WARM_UP:]) / 1_000 for i, policy in enumerate(POLICIES)}


def figures(found: Comparison) -> tuple[Figure, ...]:
    """Both policies' steps, their difference and their quotient, for every size."""
    shown: list[Figure] = []
    for size in SIZES:
        checked, unchecked = f"{size}.raise_us", f"{size}.pass_us"
        shown += [
            Figure(f"step without the check, {size:,} values", "us", found.of(unchecked)),
            Figure(f"step with it, {size:,} values", "us", found.of(checked)),
            Figure(f"the check, {size:,} values", "us", found.difference(checked, unchecked)),
            Figure(f"with / without, {size:,} values", "ratio", found.ratio(checked, unchecked)),
        ]
    return tuple(shown)


SCRIPT = Script(
    name="finite_check",
    title="What refusing NaN and infinities costs a step",
    about=f"A GRU of {HIDDEN} units over frames of 64, 1,024 and 16,384 float32 values, batch 1, one frame per step,"
    " back to back. Two streams of one loaded file take turns in every process, one opened with on_nonfinite='raise',"
    " the default, the other with on_nonfinite='pass'; each step is timed by itself. Differences and ratios are those"
    " of the two medians of one process.",
    subjects=tuple(str(size) for size in SIZES),
    measure=measure,
    figures=figures,
    runs=11,
    steps=20_000,
    files={"handmade": write_files},
)

if __name__ == "__main__":
    main(SCRIPT)
