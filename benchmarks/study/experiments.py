"""What is measured, each by one call of ``edgeseq compare``. Decided in docs/decisions/027-the-study.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.study.catalogue import BASIC, QUESTIONS
from benchmarks.study.exporting import QUANTIZED_KINDS, WEIGHTS, file_of
from benchmarks.study.jobs import LADDER_TASKS, Job
from benchmarks.study.kinds import KINDS, TRANSLATORS
from benchmarks.study.quality import equals

#: Positions of a stream, in frames.
POSITIONS = (16, 64, 512, 4_096)
#: Kinds whose streams per core are searched: those whose step is one frame, and so is their period.
SERVED = ("rnn", "lstm", "gru", "deep_lstm", "tcn", "mingru", "transformer", "sliding", "hybrid")
#: Processes of each file: eight are the fewest that show a difference with 99 % confidence.
RUNS = 8
#: Steps of each process: a thousand are the fewest that have a 99th percentile.
STEPS = 1_000


@dataclass(frozen=True)
class Experiment:
    """Files of one task that take turns. ``options`` are those of ``edgeseq compare`` beside runs, steps and output.

    Of one that is not ``timed`` only the quality is kept.
    """

    name: str
    title: str
    task: str
    files: tuple[str, ...]
    options: tuple[str, ...]
    steps: int = STEPS
    runs: int = RUNS
    scored: bool = True
    timed: bool = True

    def command(self, out: Path, into: Path, runs: int | None, steps: int | None) -> list[str]:
        """The arguments of ``edgeseq`` for the files that are there; UsageError is left to it where none are."""
        paths = [path for name in self.files if (path := out / "files" / self.task / f"{name}.onnx").exists()]
        counts = [
            "--runs",
            str(min(runs or self.runs, self.runs)),
            "--steps",
            str(min(steps or self.steps, self.steps)),
        ]
        return ["compare", *map(str, paths), *self.options, *counts, *self._metric(out), "--json", str(into)]

    def _metric(self, out: Path) -> list[str]:
        if not self.scored:
            return []
        metric = f"benchmarks.tasks.metrics:{QUESTIONS[self.task].metric.__name__}"
        return ["--data", str(out / self.task / "evaluation.npz"), "--metric", metric]


def experiments(out: Path) -> Mapping[str, Experiment]:
    """All of them by name, the most wanted first; those at equal quality are what the trained models say."""
    at = ("--at", ",".join(map(str, POSITIONS)))
    paced = ("--period", "2ms")
    quantized = [name for kind in QUANTIZED_KINDS for name in (kind, *(f"{kind}-{weights}" for weights in WEIGHTS))]
    found = (
        Experiment("position", "Equal parameters", "ecg", tuple(KINDS), (*paced, *at)),
        Experiment("quantized", "Weights in fewer bits", "ecg", tuple(quantized), (*paced, "--at", "512")),
        Experiment("equal-quality", "Equal quality", LADDER_TASKS[0], _picked(out), (*paced, *at), steps=200),
        Experiment("streams", "Streams per core", "speech", SERVED, ("--streams", "max", "--no-floor"), 50, 1),
        Experiment(
            "batch", "Streams in lock-step", "ecg", BASIC, (*paced, "--batch", "1,16", "--at", "512"), 200, scored=False
        ),
        Experiment("words", "A vocabulary behind it", "ptb", BASIC, (*paced, "--at", "512,4096"), 200),
        Experiment("translation", "A source beside it", "vowels", tuple(TRANSLATORS), (*paced, *at), 200),
    )
    return {experiment.name: experiment for experiment in found}


def qualities() -> Sequence[Experiment]:
    """What every file of every task is worth; its times are of no interest."""
    options = ("--no-floor", "--period", "1ms")
    return [
        Experiment(f"quality-{task}", question.title, task, question.kinds, options, 1, 1, timed=False)
        for task, question in QUESTIONS.items()
    ]


def _picked(out: Path) -> tuple[str, ...]:
    """The smallest model of each kind that is as good as wanted."""
    return tuple(file_of(out, Job(LADDER_TASKS[0], pick.kind, pick.size)).stem for pick in equals(out) if pick.reached)
