"""Which candidate is taken: a function of what was measured, in which every process is one sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from edgeseq.errors import UsageError
from edgeseq.quantization.tuning.candidates import FLOAT, Candidate
from edgeseq.quantization.tuning.figures import Figures, ratio
from edgeseq.quantization.tuning.wishes import OBJECTIVES, Wishes, in_words

#: ``better`` and ``worse`` are against the float file at one thread, in what is minimized.
Outcome: TypeAlias = Literal["won", "better", "not visible", "worse", "dropped"]
#: Candidates of which so many processes were this much slower than all of the float file's are not measured further.
PROCESSES, HOPELESS = 2, 1.5
_NEAREST = 3
_WORDS = {"p50": ("faster", "slower"), "p99": ("faster", "slower"), "size": ("smaller", "larger")}


@dataclass(frozen=True)
class Verdict:
    """What became of a candidate, and why."""

    outcome: Outcome
    why: str


@dataclass(frozen=True)
class Decision:
    """``verdicts`` in the order of the figures; ``sentence`` says what was found."""

    winner: Candidate
    verdicts: tuple[Verdict, ...]
    sentence: str


def decide(found: Sequence[Figures], wishes: Wishes) -> Decision:
    """The best of those that keep every limit, or the simplest of those that cannot be told apart from it.

    The float file at one thread is among ``found``; where it keeps the limits, a candidate that is not visibly better
    does not take its place. UsageError where no candidate keeps them, with those that come nearest.
    """
    name = wishes.minimize
    allowed = [one for one in found if one.failed is None and one.of(name) and not wishes.missed(one)]
    if not allowed:
        raise none_left(found, wishes)
    base = next(one for one in found if one.candidate == FLOAT)
    rivals = [one for one in allowed if base not in allowed or one is base or separated(one, base, name)]
    best = min(rivals, key=lambda one: one.middle(name) or 0.0)
    tied = [one for one in rivals if not separated(best, one, name)]
    winner = min(tied, key=lambda one: (*_complexity(one), one.middle(name) or 0.0))
    verdicts = tuple(_verdict(one, winner, base, wishes) for one in found)
    unseen = [one for one, verdict in zip(found, verdicts, strict=True) if verdict.outcome == "not visible"]
    return Decision(winner.candidate, verdicts, _sentence(winner, base, tied, unseen, wishes))


def separated(first: Figures, other: Figures, name: str) -> bool:
    """Whether every process of ``first`` has less than any of ``other``."""
    return max(first.of(name)) < min(other.of(name))


def hopeless(one: Figures, base: Figures, wishes: Wishes) -> bool:
    """Whether a step is so much slower than the float file's that more processes would not change it."""
    if wishes.minimize not in ("p50", "p99") or min(len(one.p50_us), len(base.p50_us)) < PROCESSES:
        return False
    if wishes.missed(base):  # it cannot win: what is slower may
        return False
    return min(one.p50_us) > HOPELESS * max(base.p50_us)


def none_left(found: Sequence[Figures], wishes: Wishes) -> UsageError:
    """What to raise where no candidate keeps the limits, or can be judged at all."""
    missed = {one: wishes.missed(one) for one in found if one.failed is None}
    near = sorted((one for one in missed if missed[one]), key=lambda one: max(miss.by for miss in missed[one]))
    if not near:
        return UsageError(f"{wishes.minimize} cannot be measured here", do=f"minimize another: {', '.join(OBJECTIVES)}")
    told = [f"{one.candidate} has {' and '.join(miss.text for miss in missed[one])}" for one in near[:_NEAREST]]
    return UsageError(
        "no candidate keeps the limits",
        wanted=str(wishes),
        why=f"the nearest are: {'; '.join(told)}",
        do="ask for less, or let quantize keep single nodes in more bits: min_sqnr= (--min-sqnr)"
        if "sqnr" in wishes.limits
        else "ask for less",
    )


def _complexity(one: Figures) -> tuple[bool, int, bool, float]:
    """Float before quantized, few threads before many, cores left alone before busy ones, high SQNR before low."""
    opening = one.candidate.opening
    exact = float("-inf") if one.sqnr_db is None else -one.sqnr_db
    return one.candidate.config is not None, opening.threads, opening.threads > 1 and opening.spinning, exact


def _verdict(one: Figures, winner: Figures, base: Figures, wishes: Wishes) -> Verdict:
    name = wishes.minimize
    better, worse = _WORDS.get(name, ("less", "more"))
    missed = wishes.missed(one)
    if one.failed is not None or missed:
        return Verdict("dropped", one.failed or "; ".join(miss.text for miss in missed))
    if one is winner:
        return Verdict("won", "what all others are held against" if one is base else f"{better} than float")
    if one is base:
        return Verdict("worse", f"{worse} than what won")
    if separated(base, one, name):
        return Verdict("worse", f"{worse} than float")
    if not separated(one, base, name):
        return Verdict("not visible", "not told apart from float")
    if separated(winner, one, name):
        return Verdict("better", f"{better} than float, {worse} than what won")
    return Verdict("better", f"{better} than float, not told apart from what won, which is simpler")


def _sentence(
    winner: Figures, base: Figures, tied: Sequence[Figures], unseen: Sequence[Figures], wishes: Wishes
) -> str:
    if winner is not base:
        return _gain(winner, base, tied, wishes)
    if not unseen:
        return "the float file at one thread is already best"
    return (
        f"the float file at one thread stays: the difference in {wishes.minimize} to {_listed(unseen)} "
        f"is not visible on this machine in {len(base.of(wishes.minimize))} processes"
    )


def _gain(winner: Figures, base: Figures, tied: Sequence[Figures], wishes: Wishes) -> str:
    name = wishes.minimize
    told = f"{winner.candidate} is best: {name} {in_words(name, winner.middle(name) or 0.0)}"
    told += f" against {in_words(name, base.middle(name) or 0.0)} of the float file at one thread"
    if (times := ratio(base, winner, name)) is not None:
        told += f", {times:.2f} times less" if times >= 1 else f", {1 / times:.2f} times as much"
    if missed := wishes.missed(base):
        told += f"; the float file is out: {'; '.join(miss.text for miss in missed)}"
    others = [one for one in tied if one is not winner]
    return f"{told}; {_listed(others)} cannot be told apart from it, it is the simplest" if others else told


def _listed(found: Sequence[Figures]) -> str:
    shown = "; ".join(str(one.candidate) for one in found[:4])
    return f"{shown} and {len(found) - 4} more" if len(found) > 4 else shown
