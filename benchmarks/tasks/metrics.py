"""What a model is worth on its task: functions for ``edgeseq quantize --metric benchmarks.tasks.metrics:accuracy``.

Each takes the streamed outputs of a file by port name and the arrays of the evaluation file, ``targets`` among them,
all with a leading axis of examples. Higher is better unless the function says ``lower_is_better``. Needs numpy alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[Any]]
Metric = Callable[[Arrays, Arrays], float]

#: Rows of logits that are made float64 at once.
_ROWS = 4_096


def _lower_is_better(metric: Metric) -> Metric:
    metric.lower_is_better = True  # type: ignore[attr-defined]
    return metric


def accuracy(outputs: Arrays, data: Arrays) -> float:
    """The share of targets that have the highest logit."""
    logits, targets = _asked(outputs, data)
    return float((logits.argmax(axis=1) == targets).mean())


def macro_f1(outputs: Arrays, data: Arrays) -> float:
    """The mean over the classes of 2 TP / (2 TP + FP + FN); a class that is neither asked for nor named is left out."""
    logits, targets = _asked(outputs, data)
    named = logits.argmax(axis=1)
    scores = []
    for number in range(logits.shape[1]):
        counted = (targets == number).sum() + (named == number).sum()
        if counted:
            scores.append(2 * ((targets == number) & (named == number)).sum() / counted)
    return float(np.mean(scores))


@_lower_is_better
def log_loss(outputs: Arrays, data: Arrays) -> float:
    """The mean cross-entropy of the targets, in nats."""
    logits, targets = _asked(outputs, data)
    return sum(_surprises(logits, targets)) / len(targets)


@_lower_is_better
def perplexity(outputs: Arrays, data: Arrays) -> float:
    """``exp`` of the mean cross-entropy of the targets in nats."""
    return float(np.exp(log_loss(outputs, data)))


@_lower_is_better
def mse(outputs: Arrays, data: Arrays) -> float:
    """The mean squared error of all targets that are not NaN."""
    targets = data["targets"].astype(np.float64)
    return float(np.nanmean((_only(outputs) - targets) ** 2))


def direction(outputs: Arrays, data: Arrays) -> float:
    """The share of targets that are neither NaN nor zero whose sign the output has."""
    targets = data["targets"]
    asked = ~np.isnan(targets) & (targets != 0)
    return float(((_only(outputs) > 0) == (targets > 0))[asked].mean())


def _only(outputs: Arrays) -> npt.NDArray[Any]:
    if len(outputs) != 1:
        raise ValueError(f"the tasks' models have one output, here are {', '.join(outputs) or 'none'}")
    (output,) = outputs.values()
    return output


def _asked(outputs: Arrays, data: Arrays) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """Logits ``[asked, classes]`` and targets ``[asked]`` of the examples or frames that have one, not below zero."""
    logits, targets = _only(outputs), data["targets"]
    if logits.shape[:-1] != targets.shape:
        raise ValueError(f"logits {list(logits.shape)} do not fit targets {list(targets.shape)}")
    asked = targets >= 0
    if not asked.any():
        raise ValueError("no target is asked for")
    return logits[asked], targets[asked]


def _surprises(logits: npt.NDArray[Any], targets: npt.NDArray[np.int64]) -> Iterator[float]:
    for start in range(0, len(targets), _ROWS):
        scores = logits[start : start + _ROWS].astype(np.float64)
        scores -= scores.max(axis=1, keepdims=True)
        chosen = scores[np.arange(len(scores)), targets[start : start + _ROWS]]
        yield float((np.log(np.exp(scores).sum(axis=1)) - chosen).sum())
