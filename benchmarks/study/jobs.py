"""What is trained, in order, by processes side by side; what is done is left alone, what was begun goes on."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import torch

from benchmarks.study.catalogue import QUESTIONS
from benchmarks.study.trying import Budget, trained
from benchmarks.tasks import evaluating
from benchmarks.tasks.dataset import Dataset
from edgeseq.errors import UsageError

#: Examples of training that quantization may calibrate on.
CALIBRATED_ON = 48
#: The ladder for equal quality: these tasks, these kinds, at these shares of the usual number of parameters.
LADDER_TASKS, LADDER_SIZES = ("ecg",), (0.5, 1.0, 2.0)
LADDER_KINDS = ("rnn", "lstm", "gru", "transformer", "sliding", "tcn")


@dataclass(frozen=True)
class Job:
    """A model to train, at a share of the usual number of parameters."""

    task: str
    kind: str
    size: float = 1.0

    @property
    def folder(self) -> str:
        """Where it goes, below the study's folder."""
        return f"{self.task}/{self.kind}" if self.size == 1 else f"{self.task}/{self.kind}-x{self.size:g}"


def matrix(tasks: Sequence[str], kinds: Sequence[str]) -> Iterator[Job]:
    """Every kind on every task that it is asked, of these tasks and kinds; all where none are named."""
    for task, question in QUESTIONS.items():
        if not tasks or task in tasks:
            yield from (Job(task, kind) for kind in question.kinds if not kinds or kind in kinds)


def ladder(tasks: Sequence[str], kinds: Sequence[str]) -> Iterator[Job]:
    """Smaller and larger models; those of the usual size are the matrix's."""
    for task in LADDER_TASKS:
        for kind in LADDER_KINDS:
            if (not tasks or task in tasks) and (not kinds or kind in kinds):
                yield from (Job(task, kind, size) for size in LADDER_SIZES if size != 1)


def train(jobs: Sequence[Job], data: Path, out: Path, budget: Budget, workers: int) -> None:
    """Train all, ``workers`` at a time; UsageError names those that failed, when all others are done."""
    failed, begin = [], time.monotonic()
    with ProcessPoolExecutor(workers, get_context("spawn"), _alone) as processes:
        waiting = {processes.submit(one, job, data, out, budget): job for job in jobs}
        for number, done in enumerate(as_completed(waiting), start=1):
            error = done.exception()
            if error is not None:
                failed.append(f"{waiting[done].folder}: {error}")
            said = failed[-1] if error is not None else done.result()
            _say(f"[{number} of {len(jobs)}, {(time.monotonic() - begin) / 60:.1f} min] {said}")
    if failed:
        raise UsageError("models could not be trained", got="; ".join(failed))


def one(job: Job, data: Path, out: Path, budget: Budget) -> str:
    """Train a model and write its task's data to measure on; a line about it."""
    question, folder = QUESTIONS[job.task], out / job.folder
    folder.mkdir(parents=True, exist_ok=True)
    parts = _data(job.task, data)
    write_samples(job.task, parts, out)
    summary = trained(question, job.kind, parts, folder, budget, lambda line: _say(f"{job.folder}: {line}"), job.size)
    return (
        f"{job.folder}: {summary['metric']} {summary['test_metric']:.4f}, {summary['parameters']:,} parameters, "
        f"{summary['minutes']:.2f} minutes at rate {summary['rate']:g}"
    )


def write_samples(task: str, parts: Dataset, out: Path) -> None:
    """``evaluation.npz`` of test data and ``calibration.npz`` of training data, where they are not there."""
    question = QUESTIONS[task]
    for name, split in (("evaluation", parts.test.spread(question.most)), ("calibration", parts.train)):
        path = out / task / f"{name}.npz"
        if path.exists():
            continue
        arrays = dict(question.arrays(split if name == "evaluation" else split.spread(CALIBRATED_ON)))
        if name == "calibration":
            del arrays["targets"]
        scratch = path.with_name(f"{name}.{os.getpid()}.npz")
        evaluating.write_arrays(scratch, arrays)
        os.replace(scratch, path)


@cache
def _data(task: str, data: Path) -> Dataset:
    return QUESTIONS[task].data(data)


def _alone() -> None:
    """Torch on one thread: the same result on any number of cores."""
    torch.set_num_threads(1)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
