"""Whether each subject keeps what it may take: one sentence for every budget."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgeseq.errors import UsageError
from edgeseq.lab.comparison import Comparison, Subject, alike_stepped
from edgeseq.lab.differences import PAIRS_NEEDED
from edgeseq.runtime.measuring.deadline import check_steps
from edgeseq.runtime.measuring.measure import nanoseconds
from edgeseq.runtime.measuring.recording import paced_steps
from edgeseq.runtime.measuring.series import QUANTILES, samples_needed
from edgeseq.runtime.measuring.settings import Settings


@dataclass(frozen=True)
class Budgets:
    """``max_miss`` is the share of paced steps that may miss the deadline of the measurement; None: they are counted.

    ``max_size_bytes``: of the file with its weights. ``max_memory_bytes``: of the process at its peak.
    """

    max_miss: float | None = None
    max_size_bytes: int | None = None
    max_memory_bytes: int | None = None

    def check(self, settings: Settings) -> None:
        """UsageError where as many paced steps as a process makes could not judge the misses."""
        if self.max_miss is not None and settings.period_ns is not None:
            check_steps(paced_steps(settings), self.max_miss)


@dataclass(frozen=True)
class Verdict:
    """Whether ``subject`` keeps a budget, in a sentence; None where it is only told."""

    subject: str
    kept: bool | None
    sentence: str


def judge(comparison: Comparison, budgets: Budgets) -> tuple[Verdict, ...]:
    """Every budget of every subject."""
    return tuple(verdict for subject in comparison.subjects for verdict in _judged(subject, budgets))


def _judged(subject: Subject, budgets: Budgets) -> Iterator[Verdict]:
    latency = subject.latency
    if latency.deadline is not None:
        yield _deadline(subject, budgets.max_miss)
    if budgets.max_size_bytes is not None:
        yield _most(subject, "the file", latency.file["bytes"], budgets.max_size_bytes)
    if budgets.max_memory_bytes is not None:
        peaks = [peak for peak in latency.peak_rss_bytes if peak is not None]
        if peaks:
            yield _most(subject, "the process", max(peaks), budgets.max_memory_bytes)


def _deadline(subject: Subject, max_miss: float | None) -> Verdict:
    deadline = subject.latency.deadline
    assert deadline is not None
    limit = f"{deadline.deadline_ns / 1e6:g} ms"
    missed, steps = sum(deadline.misses), sum(deadline.steps)
    counted = f"{missed:,} of {steps:,} paced steps took longer than {limit}"
    if max_miss is None:
        return Verdict(subject.name, None, f"{subject.name}: {counted}")
    kept = deadline.meets(max_miss)
    worst = f"in the worst process {100 * deadline.worst_share:.3g} %, at most {100 * max_miss:g} % may"
    return Verdict(
        subject.name, kept, f"{subject.name} {'keeps' if kept else 'misses'} the deadline: {counted}, {worst}"
    )


def _most(subject: Subject, what: str, found: int, most: int) -> Verdict:
    kept = found <= most
    word = "keeps" if kept else "is over"
    return Verdict(
        subject.name, kept, f"{subject.name} {word} its budget: {what} has {found:,} bytes, at most {most:,} may be"
    )


def check_judged(subject: Subject, deadline: float | None, max_miss: float | None) -> None:
    """UsageError where a result from a file cannot be held against ``deadline`` (seconds): its steps are not kept."""
    if deadline is None:
        return
    found = subject.latency.deadline
    if found is None or found.deadline_ns != nanoseconds("deadline", deadline):
        raise UsageError(
            "a result is held against the deadline that it was measured with",
            where=subject.name,
            got="none" if found is None else f"{found.deadline_ns / 1e6:g} ms",
            wanted=f"{1e3 * deadline:g} ms",
            do="measure it again with this --deadline",
        )
    if max_miss is not None:
        check_steps(min(found.steps), max_miss)


def check_slower(things: int, runs: int | None, steps: int | None) -> None:
    """UsageError where nothing measured so could be told to be slower; None: as many as usual."""
    if things < 2:
        raise _nothing_slower()
    if runs is not None and runs < PAIRS_NEEDED:
        raise _too_few()
    if steps is not None and steps < samples_needed(QUANTILES["p50"]):
        raise _no_median()


def _nothing_slower() -> UsageError:
    return UsageError("there is nothing that could be slower", wanted="a second file, or a result to hold it against")


def _too_few() -> UsageError:
    return UsageError(
        "too few processes to tell whether a step is slower", wanted=f"--runs {PAIRS_NEEDED} or more of each"
    )


def _no_median(where: str | None = None) -> UsageError:
    return UsageError(
        "no median step to compare", where=where, wanted=f"--steps {samples_needed(QUANTILES['p50'])} or more of each"
    )


def slower(comparison: Comparison, most: float | None) -> tuple[Verdict, ...]:
    """Whether a subject's median step is visibly slower than the first one's by more than ``most``, 0.1 being 10 %."""
    if most is None:
        return ()
    judged = [subject for subject in comparison.subjects[1:] if not _swept(comparison, subject)]
    if not judged:
        raise _nothing_slower()
    return tuple(_slower(comparison, subject, most) for subject in judged)


def _swept(comparison: Comparison, subject: Subject) -> bool:
    """Whether it is the first file itself, stepped in another way in the same experiment: not meant to be as fast."""
    first = comparison.subjects[0]
    same = subject.latency.file["sha256"] == first.latency.file["sha256"]
    return comparison.together and same and not alike_stepped(first, subject)


def _slower(comparison: Comparison, subject: Subject, most: float) -> Verdict:
    told = [one for one in comparison.differences if (one.subject, one.quantile) == (subject.name, "p50")]
    if not told:
        raise _no_median(subject.name)
    if any(one.visible is None for one in told):
        raise _too_few()
    worst = max((one for one in told if one.beyond(most)), key=lambda one: one.ratio, default=None)
    limit = f"{100 * most:g} % slower than {told[0].base}"
    if worst is None:
        return Verdict(subject.name, True, f"{subject.name} is not visibly more than {limit}")
    times = f"{worst.mode.replace('_', ' ')} {worst.ratio:.3g} times as long"
    return Verdict(subject.name, False, f"{subject.name} is more than {limit}: {times}")
