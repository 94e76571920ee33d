"""The result of the experiment: a value with a versioned JSON form."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

FORMAT = "edgeseq.peers"
VERSION = 1


@dataclass(frozen=True)
class Subject:
    """One engine on one case; ``refused`` says why it was not timed.

    ``answers``: over how many ``steps`` they were compared, the ``furthest`` from PyTorch's, the ``largest``.
    ``figures``: by name and run, in nanoseconds, bytes and cores. ``series``: by mode, the ``counts`` of each run and
    each quantile with its ``runs_ns``, or why it is ``refused``.
    """

    engine: str
    case: str
    refused: str | None
    answers: Mapping[str, Any]
    figures: Mapping[str, Sequence[float]]
    series: Mapping[str, Mapping[str, Any]]

    def runs_ns(self, mode: str, quantile: str) -> Sequence[int]:
        """A quantile of every run; empty where there is none."""
        runs: Sequence[int] = self.series.get(mode, {}).get(quantile, {}).get("runs_ns", ())
        return runs

    def with_runs(self, other: Subject) -> Subject:
        """The same with the runs of ``other``, which is of the same engine and case, behind its own."""
        figures = {name: [*values, *other.figures[name]] for name, values in self.figures.items()}
        series = {mode: _joined(found, other.series[mode]) for mode, found in self.series.items()}
        return replace(self, figures=figures, series=series)

    def median_ns(self, mode: str, quantile: str) -> float | None:
        """The median of a quantile across runs."""
        runs = self.runs_ns(mode, quantile)
        return statistics.median(runs) if runs else None

    def figure(self, name: str) -> float | None:
        """The median of a figure across runs."""
        values = [value for value in self.figures.get(name, ()) if value is not None]
        return statistics.median(values) if values else None


def _joined(found: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """A mode's counts and quantiles, run by run; a quantile that either refuses stays refused."""
    quantiles = {name: _one_after_other(found[name], more[name]) for name in found if name != "counts"}
    return {"counts": [*found["counts"], *more["counts"]], **quantiles}


def _one_after_other(quantile: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    refused = quantile["refused"] or more["refused"]
    return {"runs_ns": [] if refused else [*quantile["runs_ns"], *more["runs_ns"]], "refused": refused}


@dataclass(frozen=True)
class Result:
    """Everything that the page is made of; ``evidence`` is what ``benchmarks.peers.evidence`` found, by case."""

    date: str
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    settings: Mapping[str, Any]
    others_cores: float
    engines: Mapping[str, Mapping[str, Any]]
    subjects: tuple[Subject, ...]
    evidence: Mapping[str, Mapping[str, Any]] | None = None

    def of(self, case: str) -> list[Subject]:
        """The subjects of a case, in the order of the engines."""
        order = list(self.engines)
        return sorted((item for item in self.subjects if item.case == case), key=lambda item: order.index(item.engine))

    def with_evidence(self, evidence: Mapping[str, Mapping[str, Any]]) -> Result:
        """The same with this evidence."""
        return replace(self, evidence=evidence)

    def to_json(self) -> str:
        """The result as JSON text."""
        return json.dumps({"format": FORMAT, "version": VERSION, **asdict(self)}, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Result:
        """Read what :meth:`to_json` wrote; ValueError where it is something else."""
        document = json.loads(text)
        if (document.pop("format", None), document.pop("version", None)) != (FORMAT, VERSION):
            raise ValueError(f"not a result of format {FORMAT!r}, version {VERSION}")
        subjects = tuple(Subject(**item) for item in document.pop("subjects"))
        return cls(**{**document, "subjects": subjects})
