"""What was found about one file or several that took turns: an immutable value with a versioned JSON form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgeseq.errors import UsageError
from edgeseq.lab.differences import Difference, ratio_of
from edgeseq.runtime.measuring.latency import FORMAT as LATENCY_FORMAT
from edgeseq.runtime.measuring.latency import VERSION as LATENCY_VERSION
from edgeseq.runtime.measuring.latency import Latency
from edgeseq.runtime.measuring.results import read_document, read_result

FORMAT = "edgeseq.comparison"
VERSION = 1


@dataclass(frozen=True)
class Quality:
    """What a file is worth on its task: a metric's value on data given by the user."""

    metric: str
    value: float
    lower_is_better: bool


@dataclass(frozen=True)
class Subject:
    """One thing compared.

    ``floor`` is what the machine's memory and arithmetic would allow (``edgeseq.lab.floor``), ``streams_per_core`` how
    many streams one core serves in each process that was asked; both as plain values, None where not asked for.
    """

    name: str
    latency: Latency
    quality: Quality | None = None
    floor: Mapping[str, Any] | None = None
    streams_per_core: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.name,
            "latency": self.latency.to_dict(),
            "quality": None if self.quality is None else vars(self.quality),
            "floor": None if self.floor is None else dict(self.floor),
            "streams_per_core": None if self.streams_per_core is None else dict(self.streams_per_core),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Subject:
        """What :meth:`to_dict` gave."""
        quality = value["quality"]
        return cls(
            value["name"],
            Latency.from_dict(value["latency"]),
            None if quality is None else Quality(**quality),
            value["floor"],
            value["streams_per_core"],
        )


@dataclass(frozen=True)
class Comparison:
    """One experiment: its subjects in the order given, the first file being what the others are held against.

    ``sentences`` say how budgets were kept, ``self_check`` is what was found on this machine about its own blindness,
    None where it was never asked. ``together``: the subjects took turns in one run, so that rounds make pairs.
    """

    subjects: tuple[Subject, ...]
    differences: tuple[Difference, ...] = ()
    sentences: tuple[str, ...] = ()
    self_check: Mapping[str, Any] | None = None
    together: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def machine(self) -> Mapping[str, Any]:
        """The machine of the first subject."""
        return self.subjects[0].latency.machine

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of the first subject."""
        return self.subjects[0].latency.versions

    def difference(self, subject: str, mode: str, quantile: str = "p50") -> Difference | None:
        """The one asked for; None where it was not measured."""
        asked = (subject, mode, quantile)
        return next((one for one in self.differences if (one.subject, one.mode, one.quantile) == asked), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON has them."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "machine": dict(self.machine),
            "versions": dict(self.versions),
            "settings": dict(self.settings),
            "subjects": [subject.to_dict() for subject in self.subjects],
            "differences": [difference.to_dict() for difference in self.differences],
            "sentences": list(self.sentences),
            "self_check": None if self.self_check is None else dict(self.self_check),
            "together": self.together,
        }

    def to_json(self) -> str:
        """The result as JSON text, without the single samples."""
        return json.dumps(self.to_dict(), allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Comparison:
        """Read what :meth:`to_json` wrote; UsageError where it is something else."""
        document = read_result(text, FORMAT, VERSION, "comparison")
        try:
            if not document["subjects"]:
                raise KeyError("no subject")
            return cls(
                subjects=tuple(Subject.from_dict(subject) for subject in document["subjects"]),
                differences=tuple(Difference.from_dict(one) for one in document["differences"]),
                sentences=tuple(document["sentences"]),
                self_check=document["self_check"],
                together=document["together"],
                settings=document["settings"],
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise UsageError("broken comparison", why=f"{type(error).__name__}: {error}") from None


def read_any(text: str) -> Comparison:
    """The comparison in ``text``, or the one of the single latency result in it; UsageError for something else."""
    document = read_document(text, "result")
    if document.get("format") == LATENCY_FORMAT:
        latency = Latency.from_dict(read_result(text, LATENCY_FORMAT, LATENCY_VERSION, "latency result"))
        return Comparison((Subject(str(latency.file["name"]), latency),), settings=latency.settings)
    return Comparison.from_json(text)


def compare_all(subjects: Sequence[Subject], paired: bool = True) -> tuple[Difference, ...]:
    """Every subject against what it is held against, mode by mode, in each quantile that both have.

    That is the first subject that is stepped in the same way, if it is of the first file; for the first file itself in
    another way, and where none is stepped alike, the first one. Of several experiments (``paired`` false) the first
    file too is held against itself stepped in the same way.
    """
    found = []
    for subject in subjects[1:]:
        base = _base_of(subject, subjects, paired)
        for series in subject.latency.series:
            if not base.latency.has(series.mode):
                continue
            other = base.latency.of(series.mode)
            for name, quantile in series.quantiles.items():
                values, before = quantile.runs_ns, other.quantiles[name].runs_ns
                if values and before:
                    both = paired and len(values) == len(before)
                    ratio, low, high = ratio_of(values, before, both)
                    found.append(Difference(subject.name, base.name, series.mode, name, ratio, low, high, both))
    return tuple(found)


def _base_of(subject: Subject, subjects: Sequence[Subject], paired: bool) -> Subject:
    alike = next(one for one in subjects if alike_stepped(one, subject))
    other = _sha(subject) != _sha(subjects[0]) or not paired
    return alike if other and alike is not subject and _sha(alike) == _sha(subjects[0]) else subjects[0]


def alike_stepped(one: Subject, other: Subject) -> bool:
    """Whether two are stepped in the same way, at whatever pace."""
    names = ("batch", "frames", "threads", "streams", "pool", "device", "provider", "cuda_graph", "busy_thread")
    return all(one.latency.settings.get(name) == other.latency.settings.get(name) for name in names)


def _sha(subject: Subject) -> str:
    return str(subject.latency.file["sha256"])
