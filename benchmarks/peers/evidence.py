"""What a step of edgeseq, and of PyTorch, is made of: evidence for why another engine is faster.

One fresh process per case: ``python -m benchmarks.peers.evidence CASE FOLDER STEPS OUT``.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.bare import WARMUP, bare_us, empty_graph_us, fresh, timed_us
from benchmarks.peers.cases import CASES, Case
from benchmarks.peers.engines import edgeseq, session_run, torch_eager
from benchmarks.peers.processes import start
from benchmarks.peers.products import products_us
from benchmarks.peers.stepping import Stepper, frames
from benchmarks.peers.worker import Walk, back_to_back
from edgeseq.lab.floor.kernels import read_bytes_per_s

#: The engines whose prepared files the evidence of a case is made of.
COMPARED = ("edgeseq", "session_run", "torch_eager")


def gather(cases: Sequence[Case], work: Path, steps: int) -> dict[str, dict[str, Any]]:
    """The evidence of every case, by slug."""
    found = {}
    with tempfile.TemporaryDirectory() as place:
        for case in cases:
            out = Path(place) / f"{case.slug}.json"
            taken = steps if case.position is None else min(steps, 200)
            command = [sys.executable, "-m", "benchmarks.peers.evidence", case.slug]
            found[case.slug] = dict(start([*command, str(work / case.slug), str(taken), str(out)], out))
    return found


def evidence(case: Case, folder: Path, steps: int) -> dict[str, Any]:
    """Medians in microseconds: steps in three ways, other graphs, what profilers say, the weights read and no more."""
    return {
        "steps": steps,
        "stream_us": median_us(edgeseq.open_step(case, folder), case, folder, steps),
        "session_run_us": median_us(session_run.open_step(case, folder), case, folder, steps),
        "bound_us": bound_us(case, folder, steps),
        "bare_us": bare_us(case, folder, steps),
        "products_us": products_us(case, steps),
        "empty_graph_us": empty_graph_us(steps),
        "weight_bytes": weight_bytes(folder),
        "read_us": 1e6 * weight_bytes(folder) / read_bytes_per_s(weight_bytes(folder)),
        "kernels_us": kernels_us(case, folder, min(steps, 200)),
        "torch_us": median_us(torch_eager.open_step(case, folder), case, folder, steps),
        "torch_ops_us": torch_ops_us(case, folder, min(steps, 200)),
    }


def median_us(stepper: Stepper, case: Case, folder: Path, steps: int) -> float:
    """The median step, back to back."""
    walk = Walk(stepper, case, frames(folder))
    back_to_back(walk, WARMUP)
    return statistics.median(back_to_back(walk, steps)) / 1e3


def bound_us(case: Case, folder: Path, steps: int) -> float:
    """The median of onnxruntime's run alone: everything bound once, the states where the graph left them.

    What it computes is of no use, for it is given the same frame again and again; what it costs is what matters.
    """
    import onnxruntime

    loop = session_run.open_step(case, folder)
    session, binding = loop.session, loop.session.io_binding()
    values = {name: onnxruntime.OrtValue.ortvalue_from_numpy(array.copy()) for name, array in loop.initial.items()}
    binding.bind_ortvalue_input(loop.frame, onnxruntime.OrtValue.ortvalue_from_numpy(frames(folder)[0]))
    for name, value in values.items():
        in_place = case.position is not None and name != "position"
        binding.bind_ortvalue_input(name, value)
        binding.bind_ortvalue_output(f"{name}.next", value if in_place else fresh(value.numpy()))
    answer = loop.step(frames(folder)[0])
    binding.bind_ortvalue_output(session.get_outputs()[0].name, fresh(answer))
    return timed_us(lambda: session.run_with_iobinding(binding), steps)


def weight_bytes(folder: Path) -> int:
    """Bytes of the file's constants, all of which a step reads; without embeddings, of which it reads a row."""
    import onnx

    graph = onnx.load(folder / "ort.onnx").graph
    rows = {node.input[0] for node in graph.node if node.op_type == "Gather"}
    return sum(int(np.prod(held.dims)) * 4 for held in graph.initializer if held.name not in rows and held.dims)


def kernels_us(case: Case, folder: Path, steps: int) -> dict[str, float]:
    """onnxruntime's profiler: microseconds of a step by op, from the largest; it counts whole microseconds."""
    with tempfile.TemporaryDirectory() as place:
        options = session_run.options()
        options.enable_profiling, options.profile_file_prefix = True, str(Path(place) / "profile")
        loop = session_run.open_step(case, folder, options)
        back_to_back(Walk(loop, case, frames(folder)), steps)
        events = json.loads(Path(loop.session.end_profiling()).read_text(encoding="utf-8"))
    by_op: dict[str, float] = {}
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            name = event["args"]["op_name"]
            by_op[name] = by_op.get(name, 0.0) + event["dur"] / steps
    return _largest(by_op)


def torch_ops_us(case: Case, folder: Path, steps: int) -> dict[str, float]:
    """PyTorch's profiler: microseconds of an eager step by op, their own time; the profiler's own cost is in them."""
    import torch

    walk = Walk(torch_eager.open_step(case, folder), case, frames(folder))
    back_to_back(walk, 10)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        back_to_back(walk, steps)
    return _largest({event.key: event.self_cpu_time_total / steps for event in profile.key_averages()})


def _largest(by_op: Mapping[str, float]) -> dict[str, float]:
    return {name: round(by_op[name], 2) for name in sorted(by_op, key=lambda name: -by_op[name])[:8]}


def main(arguments: Sequence[str]) -> None:
    """Gather one case's evidence and write it as JSON."""
    slug, folder, steps, out = arguments
    found = evidence(CASES[slug], Path(folder), int(steps))
    Path(f"{out}.part").write_text(json.dumps(found), encoding="utf-8")
    os.replace(f"{out}.part", out)


if __name__ == "__main__":
    main(sys.argv[1:])
