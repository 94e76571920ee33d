"""What the readers make of the real data sets, where they are there."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.tasks.catalogue import TASKS, Task
from benchmarks.tasks.dataset import IGNORED, Split, data_folder

#: Examples of the three parts: 50,000 reviews; 929,589, 73,760 and 82,430 words in windows of 128; records of 650,000
#: samples in windows of 2,048, those of training four times as close; 8,640 and twice 2,880 hours; 520 clips.
SIZES = {
    "imdb": (22_500, 2_500, 25_000),
    "ptb": (7_262, 576, 643),
    "ecg": (3_798, 317, 1_268),
    "ett": (2_817, 113, 113),
    "speech": (321 * 13, 95, 104),
}


@pytest.fixture
def folder() -> Path:
    if not os.environ.get("EDGESEQ_DATA"):
        pytest.skip("EDGESEQ_DATA names no folder with the data sets")
    return data_folder()


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_real_data_has_its_published_parts(task: Task, folder: Path) -> None:
    data = task.read(folder / task.folder)
    assert (len(data.train), len(data.valid), len(data.test)) == SIZES[task.name]
    for split in (data.train, data.valid, data.test):
        check(task, split)


def check(task: Task, split: Split) -> None:
    assert split.inputs.shape[1:] == ((task.length,) if task.words else (task.length, task.features))
    assert split.inputs.dtype == (np.int64 if task.words else np.float32)
    if task.words:
        assert 0 <= int(split.inputs.min()) <= int(split.inputs.max()) < task.words
    else:
        assert np.isfinite(split.inputs).all()
    asked = split.targets[split.targets != IGNORED]
    if task.metric.__name__ != "mse":
        assert set(np.unique(asked)) == set(range(task.answers)) or (task.words and asked.max() < task.answers)
