"""Steps of a file with onnxruntime's profiler and without, in this process."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgeseq.lab.floor.graphs import chain
from edgeseq.lab.floor.kernels import bound_call
from edgeseq.lab.per_op.origins import carried, origins
from edgeseq.lab.per_op.stepping import WARMUP, Steps
from edgeseq.lab.per_op.trace import Run, by_step, median_us, medians, read_trace
from edgeseq.modelgraph import Graph, read_graph
from edgeseq.runtime.engine import open_session
from edgeseq.runtime.loading import load
from edgeseq.runtime.model import Model
from edgeseq.runtime.threads import session_settings

#: Nodes of a graph that does as good as nothing, and its runs.
_NODES, _RUNS = 32, 200


class Profiled:
    """A session with the profiler on; what it writes lies in ``folder``."""

    def __init__(self, path: str, folder: Path, threads: int = 1, spinning: bool = True) -> None:
        self._optimized = folder / "optimized.onnx"
        self._prefix = folder / "trace"
        self.session = open_session(path, threads, ["CPUExecutionProvider"], spinning, self._prepare)

    def read(self) -> list[Run]:
        """The runs so far; ends the profile."""
        return read_trace(Path(self.session.end_profiling()).read_text(encoding="utf-8", errors="replace"))

    @property
    def graph(self) -> Graph:
        """The graph as it is run, some of its nodes put together by onnxruntime."""
        return read_graph(self._optimized)

    def _prepare(self, options: Any) -> None:
        options.enable_profiling = True
        options.profile_file_prefix = str(self._prefix)
        options.optimized_model_filepath = str(self._optimized)
        # That such a file is for this machine only is a warning, of level 2; this one is read and thrown away.
        options.log_severity_level = max(3, options.log_severity_level)


def trace(given: Mapping[str, Any]) -> dict[str, Any]:
    """Medians of a step in microseconds, without the profiler and with it, and of each node, as plain values."""
    model = load(given["path"], threads=given["threads"], allow_unverified=given["allow_unverified"])
    count, spinning = session_settings(model.contract, "cpu", given["threads"])
    steps = Steps(model, given)
    plain_us = steps.median_us(model)
    with tempfile.TemporaryDirectory() as folder:
        profiled = Profiled(model.path, Path(folder), count, spinning)
        traced_us = steps.median_us(replace(model, session=profiled.session))
        runs = by_step(profiled.read(), given["steps"], WARMUP)
        modules = _modules(model, profiled.graph)
    return {
        "plain_us": plain_us,
        "traced_us": traced_us,
        "run_us": median_us(sum(run.whole_us for run in calls) for calls in runs),
        **profiler_us(),
        "nodes": [{**asdict(node), "module": modules.get(node.name)} for node in medians(runs)],
    }


def profiler_us() -> dict[str, float]:
    """What the profiler adds, seen at nodes that do as good as nothing: ``empty_us`` written down, ``gap_us`` between.

    The gap is outside of the times of nodes, and inside that of a loop around them.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.onnx"
        path.write_bytes(chain(_NODES))
        profiled = Profiled(str(path), Path(folder))
        call = bound_call(profiled.session, np.ones(1, np.float32), (1,))
        for _ in range(_RUNS):
            call()
        runs = profiled.read()[_RUNS // 10 :]
    empty_us = median_us(us for run in runs for us in run.nodes_us.values())
    return {"empty_us": empty_us, "gap_us": max(0.0, median_us(run.whole_us for run in runs) / _NODES - empty_us)}


def _modules(model: Model, run: Graph) -> dict[str, str]:
    """The module of each node as it is run, by its name."""
    found = carried(run, origins(read_graph(model.path), model.contract))
    named = [node for node in run.nodes if node.name and node.outputs]
    return {node.name: found[node.outputs[0]] for node in named if node.outputs[0] in found}
