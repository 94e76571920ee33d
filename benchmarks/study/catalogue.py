"""What is compared: which kinds on which task, how large, trained for how long (docs/decisions/027-the-study.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.study.kinds import KINDS, LEAST_WIDTH, TRANSLATORS, Kind
from benchmarks.tasks import metrics
from benchmarks.tasks.catalogue import TASKS
from benchmarks.tasks.dataset import IGNORED, Dataset, Split
from benchmarks.tasks.losses import Loss, cross_entropy, sampled_cross_entropy, squared_error
from benchmarks.tasks.metrics import Metric
from benchmarks.tasks.models import Classifier, Tagger
from benchmarks.tasks.readers import stocks, vowels, wikitext

#: The tuning budget of every model: each rate is tried for the first share of the steps, the best goes on.
RATES, TRIED = (7e-4, 2e-3, 6e-3), 0.2
#: Points of the curve; a trial ends on one.
REPORTS = 5
#: Words are looked up at this width whatever the body's, so that all kinds of a task have tables of one size.
TABLE_WIDTH = LEAST_WIDTH
FORECASTING = tuple(name for name, kind in KINDS.items() if not kind.ahead)
BASIC = ("rnn", "lstm", "gru", "transformer", "sliding")


@dataclass(frozen=True)
class Question:
    """A task of the study. ``parameters`` is what a model has beside its tables of words, the same for all ``kinds``.

    ``crop`` frames, the last of an example, are trained and judged on. ``watched`` and ``most`` bound the examples of
    the validation curve and of the evaluation file. ``window`` and ``hop`` are for a kind exported in window mode,
    ``chunk`` and ``look`` for one with look-ahead, in frames; ``frame_period`` is in seconds, None where time is words.
    """

    name: str
    title: str
    folder: str
    read: Callable[[Path], Dataset]
    kinds: tuple[str, ...]
    crop: int
    batch: int
    steps: int
    answers: int
    loss: Loss
    metric: Metric
    whole: bool = False
    words: int = 0
    features: int = 0
    parameters: int = 400_000
    dropout: float = 0.2
    training_loss: Loss | None = None
    watched: int = 200
    most: int = 200
    window: int = 64
    hop: int = 8
    chunk: int = 16
    look: int = 16
    frame_period: float | None = None

    @property
    def sequence_to_sequence(self) -> bool:
        """Whether a source is given beside the frames."""
        return all(name in TRANSLATORS for name in self.kinds)

    @property
    def inputs(self) -> dict[str, str]:
        """What ``edgeseq.export`` is told."""
        if self.sequence_to_sequence:
            return {"src": "int64[batch,source]", "tgt": "int64[batch,time]"}
        return {"frames": "int64[batch,time]" if self.words else f"float32[batch,time,{self.features}]"}

    def arrays(self, split: Split) -> Mapping[str, npt.NDArray[Any]]:
        """The examples by the names of the model's inputs, and ``targets``."""
        if self.sequence_to_sequence:
            source, target = np.split(split.inputs, [vowels.SOURCE], axis=1)
            return {"src": source, "tgt": target, "targets": split.targets}
        return {"frames": split.inputs, "targets": split.targets}

    def data(self, folder: Path) -> Dataset:
        """Its three parts, cropped; UsageError where a file of them is missing."""
        parts = self.read(folder / self.folder)
        return Dataset(*(_last(part, self.crop) for part in (parts.train, parts.valid, parts.test)))

    def make(self, name: str, size: float = 1.0) -> nn.Module:
        """An untrained model of a kind, of about ``size`` times ``parameters``."""
        kind = kind_of(name)
        part = self._between if self.words and not self.sequence_to_sequence else self._model
        width, layers = kind.fitting(lambda *of: part(kind, *of), round(size * self.parameters))
        return self._model(kind, width, layers)

    def _model(self, kind: Kind, width: int, layers: int) -> nn.Module:
        if self.sequence_to_sequence:
            return kind.body(width, layers, self.dropout)
        inside = TABLE_WIDTH if self.words else width
        entry = nn.Embedding(self.words, inside) if self.words else nn.Linear(self.features, inside)
        form = Classifier if self.whole else Tagger
        return form(entry, self._between(kind, width, layers), nn.Linear(inside, self.answers), self.dropout)

    def _between(self, kind: Kind, width: int, layers: int) -> nn.Module:
        """The model without its tables of words."""
        body = kind.body(width, layers, self.dropout)
        if not self.words or width == TABLE_WIDTH:
            return body
        return nn.Sequential(nn.Linear(TABLE_WIDTH, width), body, nn.Linear(width, TABLE_WIDTH))

    def tables(self) -> int:
        """Parameters of the tables of words, which all kinds of the task have alike."""
        if not self.words or self.sequence_to_sequence:
            return 0
        return self.words * TABLE_WIDTH + self.answers * (TABLE_WIDTH + 1)


def kind_of(name: str) -> Kind:
    """The kind of this name."""
    return KINDS[name] if name in KINDS else TRANSLATORS[name]


def translated(model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of a target's tokens given the source in front of it, in nats."""
    logits = model(inputs[:, : vowels.SOURCE], inputs[:, vowels.SOURCE :])
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED)


def _last(split: Split, frames: int) -> Split:
    """The last frames of every example, and their targets where each frame has its own."""
    targets = split.targets if split.targets.ndim == 1 else split.targets[:, -frames:]
    return Split(split.inputs[:, -frames:], targets)


def _known(name: str, title: str, kinds: Iterable[str], crop: int, batch: int, steps: int, **more: Any) -> Question:
    """A question on a data set that ``benchmarks.tasks`` has too."""
    task = TASKS[name]
    same = {
        field: getattr(task, field) for field in ("folder", "read", "answers", "loss", "metric", "words", "features")
    }
    whole, training = task.of == "whole", task.training_loss
    return Question(
        name,
        title,
        kinds=tuple(kinds),
        crop=crop,
        batch=batch,
        steps=steps,
        whole=whole,
        training_loss=training,
        **{**same, **more},
    )


QUESTIONS: Mapping[str, Question] = {
    question.name: question
    for question in (
        _known(
            "ecg", "ECG: is a beat ventricular", KINDS, crop=128, batch=16, steps=240, most=100, frame_period=8 / 360
        ),
        _known(
            "speech",
            "Speech commands: which word",
            KINDS,
            crop=98,
            batch=20,
            steps=240,
            most=104,
            window=98,
            hop=4,
            chunk=8,
            look=8,
            frame_period=0.01,
        ),
        _known("ett", "ETT: the next 24 hours", FORECASTING, crop=168, batch=12, steps=200, most=113),
        Question(
            "stocks",
            "Stocks: the next day's return",
            folder="stocks",
            read=stocks.read,
            kinds=FORECASTING,
            crop=stocks.LENGTH,
            batch=32,
            steps=200,
            answers=1,
            features=stocks.FEATURES,
            loss=squared_error,
            metric=metrics.mse,
        ),
        Question(
            "vowels",
            "WikiText-2 without vowels: what was said",
            folder="wikitext-2",
            read=vowels.read,
            kinds=tuple(TRANSLATORS),
            crop=vowels.SOURCE + vowels.LENGTH,
            batch=32,
            steps=500,
            answers=vowels.VOCABULARY,
            words=vowels.VOCABULARY,
            loss=translated,
            metric=metrics.accuracy,
            parameters=460_000,
        ),
        _known(
            "imdb", "IMDB: is a review good", KINDS, crop=128, batch=24, steps=200, dropout=0.3, most=400, window=128
        ),
        _known("ptb", "PTB: the next word", FORECASTING, crop=128, batch=24, steps=200, watched=64, most=64),
        Question(
            "wikitext",
            "WikiText-2: the next word",
            folder="wikitext-2",
            read=wikitext.read,
            kinds=BASIC,
            crop=wikitext.LENGTH,
            batch=16,
            steps=150,
            answers=wikitext.VOCABULARY,
            words=wikitext.VOCABULARY,
            loss=cross_entropy,
            training_loss=sampled_cross_entropy,
            metric=metrics.perplexity,
            watched=24,
            most=24,
        ),
    )
}
