"""``python -m benchmarks.tasks --data DIR --out DIR``: train, export and score a model of each kind on each task."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import edgeseq
from benchmarks.tasks import evaluating
from benchmarks.tasks.catalogue import TASKS, Task
from benchmarks.tasks.dataset import Dataset, Split, data_folder
from benchmarks.tasks.models import KINDS, Kind, Tagger, parameters
from benchmarks.tasks.training import Plan, Row, Training, affordable_steps, mean_loss, saved_steps, threads
from edgeseq.errors import EdgeseqError

PORT = "frames"
#: Examples of the training data that quantization may calibrate on.
CALIBRATED_ON = 48


def main() -> None:
    """Train what was asked for, one after another, and write data to calibrate on.

    A model whose summary is there is left alone; failures are told.
    """
    arguments = _parser().parse_args()
    failed: list[str] = []
    for name in arguments.task or TASKS:
        task, data = TASKS[name], None
        if not (arguments.out / name / "calibration.npz").exists():
            data = task.read(data_folder(arguments.data) / task.folder)
            write_calibration(arguments.out / name, data)
        for kind in arguments.model or KINDS:
            folder = arguments.out / name / kind
            if (folder / "summary.json").exists():
                _say(f"{name} {kind}: done before")
                continue
            data = data or task.read(data_folder(arguments.data) / task.folder)
            try:
                with threads(1):
                    made = make(task, kind, data, folder, arguments.minutes, arguments.steps, arguments.seed)
            except EdgeseqError as error:
                failed.append(f"{name} {kind}: {error}")
                _say(failed[-1])
                continue
            sys.stdout.write(json.dumps(made) + "\n")
            sys.stdout.flush()
    if failed:
        raise SystemExit("\n".join(failed))


def write_calibration(folder: Path, data: Dataset) -> None:
    """Write ``calibration.npz``: inputs of a few dozen examples that the models are trained on, none of the test's."""
    folder.mkdir(parents=True, exist_ok=True)
    evaluating.write_arrays(folder / "calibration.npz", {PORT: data.train.spread(CALIBRATED_ON).inputs})


def make(
    task: Task, kind: Kind, data: Dataset, folder: Path, minutes: float, steps: int | None, seed: int = 0
) -> dict[str, Any]:
    """Train one model and write its checkpoint, curve, file, evaluation data and summary into ``folder``."""
    torch.manual_seed(seed)
    model = task.make(kind)
    plan = Plan(steps or saved_steps(folder) or 1, task.batch, task.learning_rate[kind], seed=seed)
    if not steps and saved_steps(folder) is None:
        plan = replace(plan, steps=affordable_steps(model, data, plan, task.trained_on, minutes))
    watched = replace(data, valid=data.valid.spread(task.watched))
    training = Training(model, watched, plan, folder, task.loss, task.trained_on)
    training.run(lambda row: _say(f"{task.name} {kind}: {_line(row, plan)}"))
    file, samples = folder / "float.onnx", folder.parent / "evaluation.npz"
    evaluating.write(samples, PORT, data.test.spread(task.most))
    edgeseq.export(model, task.inputs, file)
    summary = {
        "task": task.name,
        "model": kind,
        "parameters": parameters(model),
        "steps": plan.steps,
        "epochs": training.rows[-1]["epoch"],
        "minutes": training.minutes,
        "metric": task.metric.__name__,
        **scores(task, model, data.test, file, samples),
    }
    (folder / "summary.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    return summary


def scores(task: Task, model: Tagger, test: Split, file: Path, samples: Path) -> dict[str, float]:
    """The test loss over everything, and the metric on the evaluation data, by the module and by its file."""
    data = evaluating.read(samples)
    return {
        "test_loss": mean_loss(model, test, task.loss, task.batch),
        "module": task.metric({"output": answers(model, data[PORT], task.batch)}, data),
        "file": evaluating.metric_of(file, data, task.metric),
    }


@torch.no_grad()
def answers(model: Tagger, inputs: Any, batch: int) -> Any:
    """What the module says of whole examples."""
    parts = [model(torch.from_numpy(inputs[start : start + batch])) for start in range(0, len(inputs), batch)]
    return np.concatenate([part.numpy() for part in parts])


def _line(row: Row, plan: Plan) -> str:
    return (
        f"step {row['step']:,.0f} of {plan.steps:,}, epoch {row['epoch']:.2f}, training {row['training_loss']:.4f}, "
        f"validation {row['valid_loss']:.4f}, {row['seconds']:.1f} s"
    )


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tasks", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with one folder per data set (default: EDGESEQ_DATA)")
    parser.add_argument("--out", type=Path, required=True, help="where TASK/MODEL/ go; what is there is gone on with")
    parser.add_argument("--task", choices=TASKS, action="append", help="a task, may be repeated (default: all)")
    parser.add_argument("--model", choices=KINDS, action="append", help="a model, may be repeated (default: all)")
    parser.add_argument("--minutes", type=float, default=3.0, help="training per model on one core (default: 3)")
    parser.add_argument("--steps", type=int, help="steps of training in place of minutes")
    parser.add_argument("--seed", type=int, default=0)
    return parser


if __name__ == "__main__":
    main()
