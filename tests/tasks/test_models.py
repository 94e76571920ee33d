"""Every kind of model, of every task, exports; and a file scores as its module does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import edgeseq
from benchmarks.tasks import evaluating, metrics
from benchmarks.tasks.__main__ import answers
from benchmarks.tasks.catalogue import TASKS, Task
from benchmarks.tasks.dataset import Split
from benchmarks.tasks.models import KINDS, Kind, parameters
from edgeseq.errors import UsageError

#: A vocabulary and answers that take no time, the task otherwise as it is.
SMALL = {
    "ptb": replace(TASKS["ptb"], words=50, answers=50, length=24, parameters=60_000),
    "imdb": replace(TASKS["imdb"], words=50, length=24, parameters=60_000),
    "ett": replace(TASKS["ett"], length=24, parameters=60_000, layers=1),
}


def examples(task: Task, count: int = 5) -> Split:
    random = np.random.default_rng(0)
    shape = (count, task.length)
    if task.words:
        inputs: np.ndarray = random.integers(0, task.words, shape)
    else:
        inputs = random.standard_normal((*shape, task.features)).astype(np.float32)
    if task.metric is metrics.mse:
        return Split(inputs, random.standard_normal((*shape, task.answers)).astype(np.float32))
    return Split(inputs, random.integers(0, task.answers, shape if task.of == "frame" else count))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", SMALL)
def test_a_file_scores_as_its_module_does(name: str, kind: Kind, tmp_path: Path) -> None:
    task = SMALL[name]
    torch.manual_seed(0)
    model = task.make(kind).eval()
    edgeseq.export(model, task.inputs, tmp_path / "m.onnx", golden=False)
    evaluating.write(tmp_path / "d.npz", "frames", examples(task))
    data = evaluating.read(tmp_path / "d.npz")
    metric = metrics.mse if task.metric is metrics.mse else metrics.log_loss
    whole = metric({"output": answers(model, data["frames"], 2)}, data)
    assert evaluating.metric_of(tmp_path / "m.onnx", data, metric, batch=3, chunk=7) == pytest.approx(whole, rel=1e-5)
    turned = {**data, "frames": data["frames"][:, ::-1]}
    assert evaluating.metric_of(tmp_path / "m.onnx", turned, metric) != pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("name", TASKS)
def test_the_kinds_of_a_task_are_about_equally_large(name: str) -> None:
    task = TASKS[name]
    sizes = {kind: parameters(task.make(kind)) for kind in KINDS}
    assert max(sizes.values()) < 1.16 * min(sizes.values()), sizes
    recurrent = [module for kind in KINDS for module in task.make(kind).modules() if isinstance(module, nn.RNNBase)]
    assert len(recurrent) == 3
    assert min(module.hidden_size for module in recurrent) >= 128


def test_an_input_that_the_data_lacks_is_named(tmp_path: Path) -> None:
    task = SMALL["ett"]
    edgeseq.export(task.make("rnn"), task.inputs, tmp_path / "m.onnx", golden=False)
    with pytest.raises(UsageError, match="the data lacks an input of the model"):
        evaluating.metric_of(tmp_path / "m.onnx", {"x": np.zeros((1, 3, 3), np.float32)}, metrics.mse)
