"""Paced steps against the time they may take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgeseq.errors import UsageError
from edgeseq.runtime.measuring.samples import Samples
from edgeseq.runtime.measuring.series import samples_needed


@dataclass(frozen=True)
class Deadline:
    """How many paced steps took longer than ``deadline_ns``, from the moment each was due, in each process.

    A step that takes exactly the deadline meets it. What is judged is the worst process: the next start of a program is
    one process, not the mean of several.
    """

    deadline_ns: int
    steps: tuple[int, ...]
    misses: tuple[int, ...]

    @property
    def share(self) -> float:
        """The share of all steps that missed."""
        return sum(self.misses) / sum(self.steps)

    @property
    def worst_share(self) -> float:
        """The share that missed in the process in which most did."""
        return max(missed / steps for missed, steps in zip(self.misses, self.steps, strict=True))

    def meets(self, max_miss: float) -> bool:
        """Whether in every process at most the share ``max_miss`` missed; UsageError where too few steps tell."""
        check_steps(min(self.steps), max_miss)
        return self.worst_share <= max_miss

    @classmethod
    def read(cls, value: dict[str, Any]) -> Deadline:
        """The deadline of a JSON document."""
        return cls(value["deadline_ns"], tuple(value["steps"]), tuple(value["misses"]))


def count_misses(deadline_ns: int, runs: Sequence[Samples]) -> Deadline:
    """The deadline held against the paced steps of each process, in nanoseconds from the moment each was due."""
    return Deadline(deadline_ns, tuple(len(run) for run in runs), tuple(run.above(deadline_ns) for run in runs))


def check_steps(steps: int, max_miss: float) -> None:
    """UsageError where ``steps`` per process are too few to judge a share: fewer than ten of them make it up."""
    if not 0 < max_miss < 1:
        raise UsageError("max_miss must be a share above 0 and below 1", got=repr(max_miss))
    needed = steps_to_judge(max_miss)
    if steps < needed:
        raise UsageError(
            f"too few steps to judge a share of {100 * max_miss:g} %",
            got=f"{steps:,} per process",
            wanted=f"{needed:,}",
            do=f"measure with --steps {needed} (steps={needed})",
        )


def steps_to_judge(max_miss: float) -> int:
    """Steps per process that a share of misses needs: those that a quantile with as much beyond it needs."""
    return samples_needed(1 - max_miss)
