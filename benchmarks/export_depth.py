"""How the time of an export grows with the layers of a model, verification and golden trace included.

python -m benchmarks.export_depth [--runs 1] [--json out.json]
"""

from __future__ import annotations

from pathlib import Path
from time import perf_counter, process_time

from benchmarks.alternate import Comparison
from benchmarks.result import Figure, Wanted
from benchmarks.script import Script, main

BLOCKS = (4, 12, 48)
CONVOLUTIONS = 24
MOST_S = 60.0


def measure(subject: str, folder: Path, _: int) -> dict[str, float]:
    """The time of one export in a process of its own, everything imported beforehand."""
    import torch

    import edgeseq.exporters
    from benchmarks.models import DeepConvolutions, DeepGPT

    kind, count = subject.split("-")
    torch.manual_seed(0)
    model = DeepGPT(int(count)) if kind == "gpt" else DeepConvolutions(int(count))
    inputs = {"tokens": "int64[batch,time]"} if kind == "gpt" else {"input": "float32[batch,32,time]"}
    wall, cpu = perf_counter(), process_time()
    edgeseq.exporters.export(model.eval(), inputs, folder / f"{subject}.onnx")
    return {"wall_s": perf_counter() - wall, "cpu_s": process_time() - cpu}


def figures(found: Comparison) -> tuple[Figure, ...]:
    """By depth: seconds that pass, and seconds of one processor."""
    made: list[Figure] = []
    for name, subject in (
        *((f"GPT, {count} blocks", f"gpt-{count}") for count in BLOCKS),
        (f"convolutional net, {CONVOLUTIONS} blocks", f"conv-{CONVOLUTIONS}"),
    ):
        wanted = Wanted("at most", MOST_S) if subject.endswith((f"-{BLOCKS[-1]}", f"-{CONVOLUTIONS}")) else None
        made.append(Figure(f"{name}: export", "s", found.of(f"{subject}.wall_s"), wanted))
        made.append(Figure(f"{name}: of a processor", "s", found.of(f"{subject}.cpu_s")))
    return tuple(made)


SCRIPT = Script(
    name="export_depth",
    title="The time of an export by depth",
    about="A GPT of 64 features and 4 heads over characters, and a net of dilated causal convolutions of 32 channels"
    " with weight norm, batch norm and residuals. edgeseq.export, verification and golden trace included.",
    subjects=(*(f"gpt-{count}" for count in BLOCKS), f"conv-{CONVOLUTIONS}"),
    measure=measure,
    figures=figures,
    runs=1,
)

if __name__ == "__main__":
    main(SCRIPT)
