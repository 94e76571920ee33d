"""What a result shows besides its figures, by name: a table of small rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from edgeseq.lab.comparison import Comparison
from edgeseq.lab.findings.across import crossing, gpu_loses
from edgeseq.lab.findings.circumstances import coarse_clock, few_samples, late, not_alone, one_process, slowed, unsteady
from edgeseq.lab.findings.finding import Finding, Rule
from edgeseq.lab.findings.shape import bimodal, cold, ramp
from edgeseq.runtime.measuring.latency import Latency

__all__ = ["ACROSS", "RULES", "Finding", "find", "find_across", "find_all"]

#: What one result may show.
RULES: Mapping[str, Rule] = {
    "bimodal": bimodal,
    "ramp": ramp,
    "cold caches": cold,
    "late": late,
    "one process": one_process,
    "unsteady": unsteady,
    "slowed down": slowed,
    "not alone": not_alone,
    "coarse clock": coarse_clock,
    "too few samples": few_samples,
}
#: What several may show together.
ACROSS: Mapping[str, Callable[[Comparison], Iterator[str]]] = {"GPU": gpu_loses, "crossing": crossing}


def find(latency: Latency) -> tuple[Finding, ...]:
    """What one result shows."""
    return tuple(Finding(name, sentence) for name, rule in RULES.items() for sentence in rule(latency))


def find_across(comparison: Comparison) -> tuple[Finding, ...]:
    """What several results show together."""
    return tuple(Finding(name, sentence) for name, rule in ACROSS.items() for sentence in rule(comparison))


def find_all(comparison: Comparison) -> tuple[tuple[str, Finding], ...]:
    """Every finding with the subject that it is about; of several together, with none."""
    single = [(subject.name, found) for subject in comparison.subjects for found in find(subject.latency)]
    return (*single, *(("", found) for found in find_across(comparison)))
