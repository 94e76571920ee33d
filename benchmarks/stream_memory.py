"""What a stream of its own takes of memory: its state twice, and how much more.

python -m benchmarks.stream_memory [--runs 5] [--steps 1000] [--json out.json]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.alternate import Comparison
from benchmarks.million_steps import resident_bytes
from benchmarks.result import Figure, Wanted
from benchmarks.script import Script, main
from benchmarks.step_overhead import FEATURES, write_exported
from edgeseq import runtime

WAYS = ("opened", "stepped", "out")
FIRST = 50


def measure(subject: str, folder: Path, steps: int) -> dict[str, float]:
    """Resident memory per stream, of so many, beyond twice the state: as they were opened, and after two steps each."""
    model = runtime.load(folder / "model.onnx")
    frame = np.zeros((1, 1, FEATURES), np.float32)

    def make() -> tuple[runtime.Stream, object]:
        stream, out = model.stream(), None
        for _ in range(0 if subject == "opened" else 3):
            answer = stream.step(frame, out=out)
            out = answer if subject == "out" else None
        return stream, out

    streams = [make() for _ in range(FIRST)]
    before = resident_bytes()
    streams += [make() for _ in range(steps)]
    added = (resident_bytes() - before) / steps
    return {"more_kib": (added - streams[0][0].state_bytes) / 1024}


def figures(found: Comparison) -> tuple[Figure, ...]:
    """By what was done with them."""
    words = {"opened": "opened only", "stepped": "opened and stepped", "out": "stepped into an array of its own"}
    return tuple(
        Figure(f"beyond twice the state, {words[way]}", "KiB", found.of(f"{way}.more_kib"), Wanted("at most", 16))
        for way in WAYS
    )


SCRIPT = Script(
    name="stream_memory",
    title="What a stream takes of memory",
    about="Streams of the GRU of step_overhead, open at the same time in one process, one frame per step: what each"
    " adds to resident memory, less its state tensors, of which there are two sets (1 KiB together).",
    subjects=WAYS,
    measure=measure,
    figures=figures,
    runs=5,
    steps=1_000,
    files={"exported": write_exported},
)

if __name__ == "__main__":
    main(SCRIPT)
