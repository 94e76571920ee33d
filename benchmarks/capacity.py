"""A step of a GPT at position 64 in a stream with room for 128 frames, and in one with room for 32,768.

python -m benchmarks.capacity [--runs 9] [--json out.json]
"""

from __future__ import annotations

import statistics
from pathlib import Path
from time import perf_counter_ns

import numpy as np

from benchmarks.alternate import Comparison
from benchmarks.result import Figure, Wanted
from benchmarks.script import Script, main
from edgeseq import runtime

WIDTH = 128
SMALL, LARGE = 128, 32_768
POSITION = 64
#: Steps of one pass that are timed: those around the position, which the small stream has room for.
WINDOW = 32
WARM_UP_PASSES = 3


def write_files(folder: Path) -> None:
    """The file that both streams are opened on."""
    from benchmarks.models import write_transformer

    write_transformer(folder)


def one_pass(stream: runtime.Stream, frames: np.ndarray) -> list[int]:
    """The times of the steps around the position, after the frames before them."""
    first = POSITION - WINDOW // 2
    stream.reset()
    for index in range(first):
        stream.step(frames[:, index : index + 1])
    times = []
    for index in range(first, first + WINDOW):
        frame = frames[:, index : index + 1]
        begin = perf_counter_ns()
        stream.step(frame)
        times.append(perf_counter_ns() - begin)
    return times


def measure(subject: str, folder: Path, steps: int) -> dict[str, float]:
    """The median step around the position in a stream that has room for ``subject`` frames."""
    stream = runtime.load(folder / "model.onnx").stream(max_context=int(subject))
    frames = np.random.default_rng(0).standard_normal((1, SMALL, WIDTH)).astype(np.float32)
    for _ in range(WARM_UP_PASSES):
        one_pass(stream, frames)
    times: list[int] = []
    while len(times) < steps:
        times += one_pass(stream, frames)
    return {"step_us": statistics.median(times) / 1_000}


def figures(found: Comparison) -> tuple[Figure, ...]:
    """Both steps and their ratio."""
    small, large = f"{SMALL}.step_us", f"{LARGE}.step_us"
    return (
        Figure(f"step, room for {SMALL:,} frames", "us", found.of(small)),
        Figure(f"step, room for {LARGE:,} frames", "us", found.of(large)),
        Figure(f"{LARGE:,} / {SMALL:,}", "ratio", found.ratio(large, small), Wanted("at most", 1.1)),
    )


SCRIPT = Script(
    name="capacity",
    title="What room for more context costs a step",
    about=f"A GPT (width 128, 4 heads, 4 layers, a table of 40,000 positions), one file, batch 1, one frame per step:"
    f" {WINDOW} steps around position {POSITION}, in passes over a stream opened with max_context={SMALL} or"
    f" max_context={LARGE:,}. The ratio, taken between neighbouring processes, should be 1: no work over the whole"
    f" cache, no copy of it. A tenth more is allowed to a shared machine.",
    subjects=(str(SMALL), str(LARGE)),
    measure=measure,
    figures=figures,
    runs=9,
    steps=2_000,
    files={"exported": write_files},
)

if __name__ == "__main__":
    main(SCRIPT)
