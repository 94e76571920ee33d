"""The table of decisions: a deadline, a memory and a history in, an architecture out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.study.catalogue import QUESTIONS
from benchmarks.study.reading import Measured, Results

#: Qualities within this share of the best count as equal.
ALIKE = 0.02
#: What the table of decisions asks: microseconds of a step, bytes of a stream.
DEADLINES_US = (50, 200, 1_000)
MEMORIES = (64 * 1024, 1024 * 1024, None)


@dataclass(frozen=True)
class Choice:
    """What is taken where step, stream and history may be so large: a kind by task, None where none keeps it."""

    deadline_us: float
    memory: int | None
    history: int
    kinds: Mapping[str, str | None]


def choices(results: Results) -> list[Choice]:
    """What the rule of docs/decisions/027-the-study.md takes for every deadline, memory and history."""
    files = results.experiments["position"].files
    histories = next(iter(files.values())).positions()[1:]
    asked = [
        (deadline, memory, history)
        for deadline in DEADLINES_US
        for history in dict.fromkeys((histories[0], histories[-1]))
        for memory in MEMORIES
    ]
    return [
        Choice(*one, {task: _taken(files, results.metrics(task), task, *one) for task in _tasks(results)})
        for one in asked
    ]


def _taken(
    files: Mapping[str, Measured], worth: Mapping[str, float], task: str, deadline: float, memory: int | None, at: int
) -> str | None:
    """Of those that keep deadline and memory, and are about as good as the best of these, the one that is fastest."""
    late = {name: file.step_us(f"at_{at}", "p90") for name, file in files.items() if name in worth}
    kept = {name: time for name, time in late.items() if time is not None and time <= deadline}
    fitting = [name for name in kept if memory is None or files[name].state_bytes(at) <= memory]
    if not fitting:
        return None
    share = shares({name: worth[name] for name in fitting}, task)
    return min((name for name in fitting if share[name] >= 1 - ALIKE), key=lambda name: kept[name])


def shares(values: Mapping[str, float], task: str) -> dict[str, float]:
    """Of every kind the share of the best metric; of errors the best one's share of its."""
    if getattr(QUESTIONS[task].metric, "lower_is_better", False):
        return {kind: min(values.values()) / value for kind, value in values.items()}
    return {kind: value / max(values.values()) for kind, value in values.items()}


def _tasks(results: Results) -> list[str]:
    return [task for task, question in QUESTIONS.items() if not question.sequence_to_sequence and results.metrics(task)]
