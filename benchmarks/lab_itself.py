"""What the lab's own timing takes, and how far its histograms are from the samples.

python -m benchmarks.lab_itself [--runs 11] [--steps 100000] [--json out.json]
"""

from __future__ import annotations

from pathlib import Path
from time import perf_counter_ns

import numpy as np

from benchmarks.alternate import Comparison
from benchmarks.result import Figure, Wanted
from benchmarks.script import Script, main
from edgeseq import runtime
from edgeseq.runtime.measuring.measure import settings_for
from edgeseq.runtime.measuring.samples import Binned, Raw
from edgeseq.runtime.measuring.series import QUANTILES
from edgeseq.runtime.measuring.stepping import Turns
from edgeseq.runtime.measuring.timing import time_steps

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "edgeseq" / "demo" / "trained" / "gru.onnx"


def measure(subject: str, folder: Path, steps: int) -> dict[str, float]:
    """Steps of the demo's GRU, timed as the lab does, or steps that do nothing."""
    samples = np.zeros(steps, np.int64)
    if subject == "nothing":
        begin = perf_counter_ns()
        time_steps(lambda: (_nothing, None), samples)
        return {"sample_us": float(np.median(samples)) / 1e3, "round_us": (perf_counter_ns() - begin) / steps / 1e3}
    time_steps(Turns(runtime.load(FILE), settings_for(FILE), 1).ready, samples)
    raw = Raw(samples)
    binned = Binned(*raw.bins(), raw.most)
    return {
        f"{name}_percent": 100 * abs(binned.quantile(share) / raw.quantile(share) - 1)
        for name, share in QUANTILES.items()
    }


def _nothing(given: object) -> None:
    pass


def figures(found: Comparison) -> tuple[Figure, ...]:
    """What is in a sample besides the step, what a round of the loop takes, and each quantile's distance."""
    return (
        Figure("timing within a sample", "us", found.of("nothing.sample_us"), Wanted("less than", 0.2)),
        Figure("a whole round of the loop", "us", found.of("nothing.round_us")),
        *(
            Figure(f"{name} of the histogram", "percent", found.of(f"steps.{name}_percent"), Wanted("at most", 1, True))
            for name in QUANTILES
        ),
    )


SCRIPT = Script(
    name="lab_itself",
    title="What the lab's own timing takes",
    about="A step that does nothing, timed as the lab times steps: what stands in each sample besides the step, and"
    " what a round of the loop takes with the sample put away. And steps of the demo's GRU: by how much the quantiles"
    " of the histogram that a result holds differ from those of the samples themselves.",
    subjects=("nothing", "steps"),
    measure=measure,
    figures=figures,
    runs=11,
    steps=100_000,
)

if __name__ == "__main__":
    main(SCRIPT)
