"""Things compared take turns: in every round one fresh process of each, in an order drawn anew."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from edgeseq.runtime.measuring.processes import Report, run_once
from edgeseq.runtime.measuring.settings import Settings

Key = TypeVar("Key")
#: Called with what is measured next, the processes done and how many there are.
Progress = Callable[[str, int, int], object]


def rounds(keys: Sequence[Key], count: int, seed: int) -> list[list[Key]]:
    """The order of each round: what drifts meanwhile, and what a process leaves to its successor, favours none."""
    source = random.Random(seed)
    return [source.sample(keys, len(keys)) for _ in range(count)]


def alternate(
    subjects: Mapping[str, Settings], runs: int, seed: int = 0, progress: Progress | None = None
) -> dict[str, list[Report]]:
    """``runs`` reports of each subject; those of equal place come from one round. ProviderError where one fails."""
    found: dict[str, list[Report]] = {name: [] for name in subjects}
    total = runs * len(subjects)
    for number, order in enumerate(rounds(list(subjects), runs, seed)):
        for place, name in enumerate(order):
            if progress is not None:
                progress(name, number * len(subjects) + place, total)
            found[name].append(run_once(subjects[name]))
    return found
