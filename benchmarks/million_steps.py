"""What 1,000,000 steps leave behind after the first 1,000: resident memory and blocks of Python's allocator.

python -m benchmarks.million_steps [--runs 3] [--steps 1000000] [--json out.json]
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import numpy as np

from benchmarks.alternate import Comparison
from benchmarks.result import Figure, Wanted
from benchmarks.script import Script, main
from benchmarks.step_overhead import FEATURES, write_exported
from edgeseq import runtime

FIRST = 1_000


def resident_bytes() -> int:
    """Resident memory of this process, from Linux's /proc."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def measure(subject: str, folder: Path, steps: int) -> dict[str, float]:
    """How much more there is than after the first 1,000 steps: memory at its highest, blocks at the end."""
    stream = runtime.load(folder / "model.onnx").stream()
    frame = np.random.default_rng(0).standard_normal((1, 1, FEATURES)).astype(np.float32)
    for _ in range(FIRST):
        stream.step(frame)
    gc.collect()
    begin = most = resident_bytes()
    blocks = sys.getallocatedblocks()
    for number in range(steps):
        stream.step(frame)
        if number % 10_000 == 0:
            most = max(most, resident_bytes())
    gc.collect()
    left = sys.getallocatedblocks() - blocks
    return {"resident_kib": (max(most, resident_bytes()) - begin) / 1024, "left_blocks": left}


def figures(found: Comparison) -> tuple[Figure, ...]:
    """Both kinds of growth; a handful of blocks are this script's own numbers."""
    return (
        Figure("resident memory added", "KiB", found.of("stream.resident_kib"), Wanted("less than", 1024, every=True)),
        Figure(
            "Python memory blocks added", "blocks", found.of("stream.left_blocks"), Wanted("less than", 100, every=True)
        ),
    )


SCRIPT = Script(
    name="million_steps",
    title="What a million steps leave behind",
    about="The GRU of step_overhead makes 1,000 steps and then 1,000,000 more. Resident memory is read every 10,000"
    " steps, its highest reading counts; Python's allocated blocks are counted at the end: an object that survived its"
    " step would be there a million times.",
    subjects=("stream",),
    measure=measure,
    figures=figures,
    runs=3,
    steps=1_000_000,
    files={"exported": write_exported},
)

if __name__ == "__main__":
    main(SCRIPT)
