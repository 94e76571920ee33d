"""What tuning found: an immutable value with a versioned JSON form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from math import comb
from typing import Any

from edgeseq.errors import UsageError
from edgeseq.quantization.tuning.candidates import FLOAT
from edgeseq.quantization.tuning.deciding import Decision
from edgeseq.quantization.tuning.figures import Figures, ratio
from edgeseq.runtime.measuring.latency import STEADY_WITHIN
from edgeseq.runtime.measuring.results import read_result

FORMAT = "edgeseq.tune"
VERSION = 1

#: Where caches fill up the last step takes some twice as long as the middle one; so many times comes from outside.
DISTURBED = 5
#: Of so many tunings one may take what equals the float file for better. n values are all below n others in 1 of
#: (2n)! / n!^2 orders.
_CHANCE = 0.05


@dataclass(frozen=True)
class Tuned:
    """What :func:`edgeseq.quantization.tune` found and wrote.

    ``file`` is the float file: name, bytes, digest; ``written`` the new one: path, bytes, digest and the ``session``
    of its contract. ``tried`` has a row for every candidate: what it is, its figures with units in their names, one
    value per process, ``ratio`` (how many times the float file's value at one thread it is better, in what was
    minimized), ``verdict`` and ``why``. ``doubts`` are reasons not to trust a figure.
    """

    file: Mapping[str, Any]
    written: Mapping[str, Any]
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    settings: Mapping[str, Any]
    tried: tuple[Mapping[str, Any], ...]
    winner: Mapping[str, Any]
    sentence: str
    doubts: tuple[str, ...]

    def to_json(self, indent: int | None = 1) -> str:
        """The result as JSON text."""
        return json.dumps({"format": FORMAT, "version": VERSION, **asdict(self)}, indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Tuned:
        """Read what :meth:`to_json` wrote; UsageError where it is something else."""
        document = read_result(text, FORMAT, VERSION, "result of tuning")
        try:
            values = {item.name: document[item.name] for item in fields(cls)}
            return cls(**{**values, "tried": tuple(values["tried"]), "doubts": tuple(values["doubts"])})
        except (KeyError, TypeError) as error:
            raise UsageError("broken result of tuning", why=f"{type(error).__name__}: {error}") from None


def rows(found: Sequence[Figures], decision: Decision, minimize: str) -> tuple[dict[str, Any], ...]:
    """A row for every candidate."""
    (base,) = (one for one in found if one.candidate == FLOAT)
    return tuple(
        {
            **one.to_dict(),
            "ratio": ratio(base, one, minimize),
            "verdict": verdict.outcome,
            "why": verdict.why,
        }
        for one, verdict in zip(found, decision.verdicts, strict=True)
    )


def doubts(found: Sequence[Figures], runs: int) -> tuple[str, ...]:
    """Reasons not to trust a figure, in words."""
    told = []
    others = sum(one.candidate != FLOAT and bool(one.p50_us) for one in found)
    if (chance := others / comb(2 * runs, runs)) > _CHANCE:
        told.append(
            f"{runs} processes of each: one of {others} files that equal the float one may seem better by chance "
            f"({min(chance, 1):.0%})"
        )
    for one in found:
        low, high = min(one.p50_us, default=0.0), max(one.p50_us, default=0.0)
        if high > STEADY_WITHIN * low:
            told.append(f"{one.candidate}: the median of one process is {high / low:.2f} times that of another")
    base = next(one for one in found if one.candidate == FLOAT)
    p50, p99 = base.middle("p50"), base.middle("p99")
    if p50 and p99 and p99 > DISTURBED * p50:
        told.append(
            f"{FLOAT}: p99 is {p99 / p50:.0f} times p50, what else runs on this machine may be what is measured"
        )
    return tuple(told)
