"""Quantizes every trained model with every kind and scores it on its task; writes ``docs/quantization-tasks.md``.

python -m benchmarks.quantized_tasks --trained DIR [--task TASK] [--model MODEL] [--json OUT]
python -m benchmarks.quantized_tasks --page
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from benchmarks.others import Others
from benchmarks.tasks import evaluating
from benchmarks.tasks.catalogue import TASKS
from benchmarks.tasks.models import KINDS
from benchmarks.tasks.quantized import Row, Tasks, Weights
from benchmarks.tasks.quantized_page import page, table
from edgeseq.quantization import Float16, Int4Weights, Int8Dynamic, Int8Static, Int8Weights, Task, quantize
from edgeseq.quantization.configs import Config
from edgeseq.quantization.planning import plan
from edgeseq.quantization.preparing import sites_of
from edgeseq.quantization.report import Report, plain_config
from edgeseq.quantization.source import opened
from edgeseq.runtime.measuring.machine import machine, versions

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks" / "results" / "quantized_tasks.json"
PAGE = ROOT / "docs" / "quantization-tasks.md"
#: Speed is not measured here, and the kernel is the one for a single row, so that the files are alike on all machines.
CONFIGS: dict[str, Config] = {
    config.kind: config
    for config in (Int8Dynamic(kernel="blocks"), Int8Static(), Int8Weights(), Int4Weights(group=128), Float16())
}


def main() -> None:
    """Measure what is asked for, row by row; print the table and, with ``--json``, save; or only write the page."""
    arguments = _parser().parse_args()
    if arguments.page:
        PAGE.write_text(page(Tasks.from_json(RESULT.read_text(encoding="utf-8"))), encoding="utf-8")
        return
    others, rows = Others(), []
    for task in arguments.task or TASKS:
        for model in arguments.model or KINDS:
            for row in measured(arguments.trained, task, model):
                rows.append(row)
                _say(row)
    result = Tasks(
        rows=tuple(rows),
        settings={kind: plain_config(config) for kind, config in CONFIGS.items()},
        machine=machine(),
        versions={**versions(), **{name: importlib.metadata.version(name) for name in ("onnx", "onnx-ir")}},
        others_cores=round(others.cores(), 2),
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
    )
    sys.stdout.write("\n".join(table(result.rows)) + "\n")
    if arguments.json:
        arguments.json.write_text(result.to_json(), encoding="utf-8")


def measured(trained: Path, task: str, model: str) -> Iterator[Row]:
    """A row for every kind; weights in 8 bits have one of their own where their file is not that of int8-dynamic."""
    path = trained / task / model / "float.onnx"
    samples = [evaluating.read(trained / task / "calibration.npz")]
    data = evaluating.read(trained / task / "evaluation.npz")
    for config in CONFIGS.values():
        if isinstance(config, Int8Weights) and _same(path, config, CONFIGS["int8-dynamic"]):
            continue
        asked = Task(TASKS[task].metric, data, name=TASKS[task].metric.__name__)
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "quantized.onnx"
            made = quantize(path, config, out, calibration=samples, measure=False, golden=False, task=asked)
            yield row(task, model, made.report, _answers(data["targets"]), groups(out))


def _same(path: Path, one: Config, other: Config) -> bool:
    """Whether two configs give every node of a file the same scheme."""
    with opened(path) as source:
        sites, _ = sites_of(source)
    return plan(one, sites)[0] == plan(other, sites)[0]


def _answers(targets: np.ndarray[Any, Any]) -> int:
    """How many answers a metric judges: those that have a class, or a number."""
    return int((~np.isnan(targets) if targets.dtype.kind == "f" else targets >= 0).sum())


def groups(path: Path) -> tuple[tuple[int, int], ...]:
    """The inputs of every product in blocks in a file, each number once, and how many of them share a scale."""
    found = set()
    for node in onnx.load(path).graph.node:
        if node.op_type == "MatMulNBits":
            sizes = {attribute.name: attribute.i for attribute in node.attribute}
            found.add((sizes["K"], sizes["block_size"]))
    return tuple(sorted(found))


def row(task: str, model: str, report: Report, answers: int, grouped: Sequence[tuple[int, int]]) -> Row:
    """What a report says that the table shows."""
    scored = report.task or {}
    errors = [error for error in report.outputs.values() if error is not None]
    names = Weights.__dataclass_fields__
    return Row(
        task=task,
        model=model,
        kind=report.kind,
        metric=scored["metric"],
        lower_is_better=getattr(TASKS[task].metric, "lower_is_better", False),
        answers=answers,
        before=scored["float"],
        after=scored["quantized"],
        lost=scored["lost"],
        snr_db=min(errors, default=None),
        file_bytes_before=report.file_bytes_before,
        file_bytes_after=report.file_bytes_after,
        long_run=report.long_run.verdict,
        nodes=tuple(Weights(**{name: getattr(node, name) for name in names}) for node in report.nodes),
        groups=tuple(grouped),
        left=tuple((left.name, left.why) for left in report.left),
    )


def _say(row: Row) -> None:
    sys.stderr.write(table([row])[-1] + "\n")
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quantized_tasks", description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--trained", type=Path, help="the folder that benchmarks.tasks wrote")
    what.add_argument("--page", action="store_true", help="only write the page, from the stored result")
    parser.add_argument("--task", choices=TASKS, action="append", help="a task, may be repeated (default: all)")
    parser.add_argument("--model", choices=KINDS, action="append", help="a model, may be repeated (default: all)")
    parser.add_argument("--json", type=Path, help="write the result to this file too")
    return parser


if __name__ == "__main__":
    main()
