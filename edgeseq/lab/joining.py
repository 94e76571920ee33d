"""Results of several experiments side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from edgeseq.errors import UsageError
from edgeseq.lab.comparison import Comparison, Subject, compare_all
from edgeseq.lab.units import duration

#: What makes two machines different, and what two measurements.
_MACHINE = ("cpu", "architecture", "usable_cores", "quota_cores", "governor", "turbo", "virtual")
_SETTINGS = (
    "period_ns",
    "steps",
    "duration_ns",
    "batch",
    "frames",
    "threads",
    "streams",
    "pool",
    "busy_thread",
    "device",
    "provider",
    "provider_options",
    "cuda_graph",
)


def joined(found: Sequence[Comparison], other_machines: bool = False) -> Comparison:
    """All subjects, against the first of the first result; they did not take turns, which widens the intervals.

    UsageError where they are of different machines, unless ``other_machines`` says that this is meant.
    """
    first = found[0]
    for other in found[1:]:
        differing = [name for name in _MACHINE if first.machine.get(name) != other.machine.get(name)]
        if differing and not other_machines:
            raise UsageError(
                "the results are of different machines",
                got=", ".join(f"{name} {first.machine.get(name)} and {other.machine.get(name)}" for name in differing),
                wanted="results of one machine",
                do="measure both here, or set them side by side all the same with --other-machines",
            )
    subjects = _named(found)
    return Comparison(
        subjects,
        compare_all(subjects, paired=False),
        self_check=first.self_check,
        together=False,
        settings={"results": len(found)},
    )


def unlike(comparison: Comparison) -> tuple[str, ...]:
    """The settings and versions in which subjects differ from the first, in words: what is compared besides files."""
    first, *others = comparison.subjects
    given = _circumstances(first)
    return tuple(
        f"{subject.name}: {_words(name)} {_said(name, found)}, {_said(name, given.get(name))} in {first.name}"
        for subject in others
        for name, found in _circumstances(subject).items()
        if found != given.get(name)
    )


def _said(name: str, value: Any) -> str:
    return duration(value) if name.endswith("_ns") else str(value)


def _words(name: str) -> str:
    return name.removesuffix("_ns").replace("_", " ")


def _circumstances(subject: Subject) -> dict[str, Any]:
    settings = {name: subject.latency.settings.get(name) for name in _SETTINGS}
    machine = {name: subject.latency.machine.get(name) for name in ("cpu", "usable_cores")}
    return {**settings, **machine, **{f"{name} version": number for name, number in subject.latency.versions.items()}}


def _named(found: Sequence[Comparison]) -> tuple[Subject, ...]:
    """All subjects, with the number of the result behind names that stand twice."""
    names = [subject.name for comparison in found for subject in comparison.subjects]
    return tuple(
        subject if names.count(subject.name) == 1 else replace(subject, name=f"{subject.name} ({number})")
        for number, comparison in enumerate(found, start=1)
        for subject in comparison.subjects
    )
