"""Files of trained models: their own, and those with weights in 8 and in 4 bits."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from torch import nn

import edgeseq
from benchmarks.study.catalogue import QUESTIONS, Question, kind_of
from benchmarks.study.jobs import Job
from benchmarks.study.trying import restored
from benchmarks.tasks.training import threads
from edgeseq.exporters import Exact, Lookahead, Window

#: Rounding that a file is allowed on top of the yardstick.
ATOL = 1e-4
#: What is quantized, and how; ``edgeseq quantize`` says what the kinds are.
QUANTIZED_TASKS, QUANTIZED_KINDS = ("ecg",), ("rnn", "lstm", "gru", "transformer")
WEIGHTS = {"int8": "int8-dynamic", "int4": "int4-weights"}


def file_of(out: Path, job: Job, weights: str = "float") -> Path:
    """Where a model's file goes; no two of a task have one name, which is what tables call them."""
    stem = job.folder.rpartition("/")[2]
    return out / "files" / job.task / (f"{stem}.onnx" if weights == "float" else f"{stem}-{weights}.onnx")


def export_all(jobs: Sequence[Job], out: Path, workers: int) -> None:
    """Write the files of all models that are trained and have none yet; what is not trained is said."""
    with ProcessPoolExecutor(workers, get_context("spawn")) as processes:
        waiting = {processes.submit(export_one, job, out): job for job in jobs if _trained(job, out)}
        for done in as_completed(waiting):
            _say(f"{waiting[done].folder}: {done.result()}")
    for job in jobs:
        if not _trained(job, out):
            _say(f"{job.folder}: not trained, left out")


def export_one(job: Job, out: Path) -> str:
    """Write the files of one model; which."""
    path, question = file_of(out, job), QUESTIONS[job.task]
    made = []
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with threads(1):
            exported(question, job.kind, restored(question, job.kind, out / job.folder, job.size), path)
        made.append(path.name)
    if job.task in QUANTIZED_TASKS and job.kind in QUANTIZED_KINDS and job.size == 1:
        made += [quantized(path, file_of(out, job, name), name) for name in WEIGHTS]
    return ", ".join(made) or "was there"


def exported(question: Question, kind: str, model: nn.Module, path: Path, golden: bool = False) -> Path:
    """Write a model's file in its kind's mode; it appears only when it streams what the module computes."""
    mode, period = mode_of(question, kind), question.frame_period
    edgeseq.export(model, question.inputs, path, mode, atol=ATOL, golden=golden, frame_period=period)
    return path


def quantized(path: Path, into: Path, weights: str) -> str:
    """``edgeseq quantize``, on data that the model was trained on; faster or not, since speed is what is asked."""
    if not into.exists():
        data = path.parent.parent.parent / path.parent.name / "calibration.npz"
        command = [sys.executable, "-m", "edgeseq", "quantize", str(path), "-o", str(into), "--kind", WEIGHTS[weights]]
        options = ["--data", str(data), "--keep-slower", "--no-speed", "--no-golden"]
        subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)
    return into.name


def mode_of(question: Question, kind: str) -> Exact | Lookahead | Window:
    """How a kind's models of this task are exported."""
    modes: dict[str, Exact | Lookahead | Window] = {
        "exact": Exact(),
        "lookahead": Lookahead(question.look, chunk=question.chunk),
        "window": Window(question.window, hop=question.hop),
    }
    return modes[kind_of(kind).mode]


def _trained(job: Job, out: Path) -> bool:
    return (out / job.folder / "summary.json").exists()


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
