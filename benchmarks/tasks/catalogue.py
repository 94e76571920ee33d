"""The tasks: which data, which question, how large a model, how it is trained and judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from torch import nn

from benchmarks.tasks import metrics
from benchmarks.tasks.dataset import Dataset
from benchmarks.tasks.losses import Loss, cross_entropy, sampled_cross_entropy, squared_error
from benchmarks.tasks.metrics import Metric
from benchmarks.tasks.models import KINDS, Classifier, Kind, Tagger, body, fitting
from benchmarks.tasks.readers import ecg, ett, imdb, ptb, speech

#: Learning rates at the top of the schedule.
RATES: Mapping[Kind, float] = {"rnn": 1e-3, "lstm": 3e-3, "gru": 3e-3, "transformer": 1e-3}


@dataclass(frozen=True)
class Task:
    """A question about one data set.

    ``words`` is the size of the vocabulary, 0 where frames are ``features``; ``answers`` how many numbers come out, for
    every frame or at the end (``of``). All kinds of model have about ``parameters`` parameters in ``layers`` layers.
    ``watched`` bounds the examples of the validation curve, ``most`` those of the evaluation file.
    """

    name: str
    folder: str
    read: Callable[[Path], Dataset]
    of: Literal["frame", "whole"]
    answers: int
    length: int
    parameters: int
    layers: int
    batch: int
    loss: Loss
    metric: Metric
    most: int
    watched: int = 1_000
    words: int = 0
    features: int = 0
    dropout: float = 0.2
    training_loss: Loss | None = None
    learning_rate: Mapping[Kind, float] = field(default_factory=lambda: RATES)

    @property
    def trained_on(self) -> Loss:
        """The loss that training makes small: ``loss``, or one that estimates it."""
        return self.training_loss or self.loss

    @property
    def inputs(self) -> dict[str, str]:
        """What ``edgeseq.export`` is told."""
        return {"frames": "int64[batch,time]" if self.words else f"float32[batch,time,{self.features}]"}

    def make(self, kind: Kind) -> Tagger:
        """An untrained model of about ``parameters`` parameters."""
        return self._of_width(kind, fitting(kind, lambda width: self._of_width(kind, width), self.parameters))

    def _of_width(self, kind: Kind, width: int) -> Tagger:
        entry = nn.Embedding(self.words, width) if self.words else nn.Linear(self.features, width)
        model = Classifier if self.of == "whole" else Tagger
        between = body(kind, width, self.layers, self.dropout, self.length)
        return model(entry, between, nn.Linear(width, self.answers), self.dropout)


TASKS = {
    task.name: task
    for task in (
        Task(
            "ptb",
            folder="ptb",
            read=ptb.read,
            of="frame",
            answers=ptb.VOCABULARY,
            words=ptb.VOCABULARY,
            length=ptb.LENGTH,
            parameters=2_800_000,
            layers=1,
            batch=32,
            loss=cross_entropy,
            training_loss=sampled_cross_entropy,
            metric=metrics.perplexity,
            watched=96,
            learning_rate={"rnn": 2e-3, "lstm": 5e-3, "gru": 5e-3, "transformer": 2e-3},
            most=64,
        ),
        Task(
            "imdb",
            folder="imdb",
            read=imdb.read,
            of="whole",
            answers=imdb.CLASSES,
            words=imdb.VOCABULARY,
            length=imdb.LENGTH,
            parameters=1_600_000,
            layers=1,
            batch=64,
            loss=cross_entropy,
            metric=metrics.accuracy,
            most=1_000,
            dropout=0.3,
        ),
        Task(
            "ecg",
            folder="ecg_mitbih",
            read=ecg.read,
            of="frame",
            answers=ecg.CLASSES,
            features=ecg.FEATURES,
            length=ecg.LENGTH,
            parameters=260_000,
            layers=2,
            batch=32,
            loss=cross_entropy,
            metric=metrics.macro_f1,
            most=400,
        ),
        Task(
            "ett",
            folder="ett",
            read=ett.read,
            of="frame",
            answers=ett.HORIZON,
            features=ett.FEATURES,
            length=ett.LENGTH,
            parameters=260_000,
            layers=2,
            batch=32,
            loss=squared_error,
            metric=metrics.mse,
            most=200,
            dropout=0.3,
            learning_rate=dict.fromkeys(KINDS, 1e-3),
        ),
        Task(
            "speech",
            folder="speech_commands",
            read=speech.read,
            of="whole",
            answers=len(speech.LABELS),
            features=speech.BANDS,
            length=speech.LENGTH,
            parameters=260_000,
            layers=2,
            batch=32,
            loss=cross_entropy,
            metric=metrics.accuracy,
            most=200,
            dropout=0.3,
        ),
    )
}
