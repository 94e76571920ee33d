"""Who is faster than whom, and how surely."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.peers.result import Result, Subject
from edgeseq.lab.differences import ratio_of

BASE = "edgeseq"
#: What is compared with edgeseq's, lower being better: name in a table, values by run.
TIMES = (("back_to_back", "p50"), ("back_to_back", "p99"), ("paced", "p50"), ("paced", "p99"))
FIGURES = ("peak_rss_bytes", "import_ns", "load_ns")


@dataclass(frozen=True)
class Standing:
    """How many times edgeseq's an engine's value is on one case; ``sure`` as :func:`standing` has it."""

    subject: Subject
    what: str
    value: float
    base: float
    ratio: float
    low: float | None
    high: float | None
    sure: bool
    rounds: int

    @property
    def interval(self) -> str:
        """The interval in words, or of how many rounds the ratio is."""
        if self.low is None:
            return f"of {self.rounds} round{'s' if self.rounds > 1 else ''}"
        return f"{self.low:.2f} to {self.high:.2f}"

    @property
    def wins(self) -> bool:
        """Whether the engine is surely better."""
        return self.sure and self.ratio < 1


def standing(
    subject: Subject, base: Subject, what: str, values: Callable[[Subject], Sequence[float]]
) -> Standing | None:
    """The standing of one figure; None where either has none.

    A difference is sure where its interval of 99 % does not hold 1. Fewer than eight processes give no interval: then
    it is sure where every round says the same.
    """
    pairs = list(zip(values(subject), values(base), strict=False))
    pairs = [(mine, other) for mine, other in pairs if mine and other]
    if not pairs:
        return None
    mine, others = [float(pair[0]) for pair in pairs], [float(pair[1]) for pair in pairs]
    ratio, low, high = ratio_of(mine, others)
    if low is None or high is None:
        sure = all(a < b for a, b in pairs) or all(a > b for a, b in pairs)
    else:
        sure = not low <= 1 <= high
    return Standing(subject, what, _median(mine), _median(others), ratio, low, high, sure, len(pairs))


def time_standing(subject: Subject, base: Subject, mode: str, quantile: str) -> Standing | None:
    """The standing of a quantile."""
    return standing(subject, base, f"{mode} {quantile}", lambda item: item.runs_ns(mode, quantile))


def figure_standing(subject: Subject, base: Subject, name: str) -> Standing | None:
    """The standing of a figure that every run has once."""
    return standing(subject, base, name, lambda item: item.figures.get(name, ()))


def base_of(result: Result, case: str) -> Subject | None:
    """edgeseq on this case, where it was timed."""
    return next((item for item in result.of(case) if item.engine == BASE and item.refused is None), None)


def standings(result: Result, case: str) -> Iterator[Standing]:
    """Every engine's standing on a case, all times first."""
    base = base_of(result, case)
    if base is None:
        return
    for subject in result.of(case):
        if subject.engine != BASE and subject.refused is None:
            found = [time_standing(subject, base, mode, quantile) for mode, quantile in TIMES]
            found += [figure_standing(subject, base, name) for name in FIGURES]
            yield from (item for item in found if item is not None)


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
