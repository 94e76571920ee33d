"""The results that the page is made of."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.study.measure import FORMAT, VERSION
from edgeseq.errors import UsageError
from edgeseq.lab.differences import PAIRS_NEEDED, ratio_of


@dataclass(frozen=True)
class Measured:
    """One file in one experiment."""

    name: str
    document: Mapping[str, Any]

    def runs_ns(self, mode: str, quantile: str = "p50") -> Sequence[int]:
        """A quantile in every process; empty where it was refused or not measured."""
        for series in self.document["latency"]["series"]:
            if series["mode"] == mode:
                return tuple(series["quantiles"][quantile]["runs_ns"])
        return ()

    def step_us(self, mode: str, quantile: str = "p50") -> float | None:
        """The median across processes, in microseconds."""
        runs = self.runs_ns(mode, quantile)
        return statistics.median(runs) / 1e3 if runs else None

    @property
    def frames(self) -> int:
        """Frames of one step."""
        return int(self.document["latency"]["settings"]["frames"])

    @property
    def bytes(self) -> int:
        """Size of the file."""
        return int(self.document["latency"]["file"]["bytes"])

    def state_bytes(self, position: int | None = None) -> int:
        """What a stream carries, at a position where it was asked."""
        latency = self.document["latency"]
        return int(latency["state_bytes"] if position is None else latency["state_bytes_at"][str(position)])

    @property
    def quality(self) -> float | None:
        """The metric's value, where it was asked."""
        found = self.document["quality"]
        return None if found is None else float(found["value"])

    def floor_us(self, position: int) -> float | None:
        """What this machine would take at best, at a position; None where it was not asked."""
        floor = self.document["floor"]
        return None if floor is None else float(floor["at"][str(position)]["floor_ns"]) / 1e3

    def bound(self, position: int) -> str:
        """What the floor is made of."""
        return str(self.document["floor"]["at"][str(position)]["bound"])

    @property
    def streams(self) -> float | None:
        """Streams that one core serves, the median of the searches."""
        found = self.document["streams_per_core"]
        return None if found is None else float(statistics.median(found["runs"]))

    def positions(self) -> list[int]:
        """Those that were measured."""
        modes = (series["mode"] for series in self.document["latency"]["series"])
        return sorted(int(mode.removeprefix("at_")) for mode in modes if mode.startswith("at_"))


@dataclass(frozen=True)
class Times:
    """How many times as long one thing takes as another, and whether that is visible; None: too few processes tell."""

    ratio: float
    visible: bool | None


@dataclass(frozen=True)
class Result:
    """One experiment."""

    document: Mapping[str, Any]

    @property
    def identity(self) -> str:
        """The id under which it is kept."""
        return str(self.document["id"])

    @property
    def comparison(self) -> Mapping[str, Any]:
        """What ``edgeseq compare`` wrote."""
        found: Mapping[str, Any] = self.document["comparison"]
        return found

    @property
    def files(self) -> dict[str, Measured]:
        """What was measured by the name of its file without the ending: ``gru``, ``gru-int8``, ``gru, batch 16``."""
        subjects = self.comparison["subjects"]
        return {name: Measured(name, one) for one in subjects for name in [one["name"].replace(".onnx", "")]}

    @property
    def timed(self) -> bool:
        """Whether its times are kept."""
        return any(subject["latency"]["series"] for subject in self.comparison["subjects"])

    @property
    def has_floors(self) -> bool:
        """Whether the machine's floor was measured."""
        return all(file.document["floor"] is not None for file in self.files.values())

    def times(self, name: str, base: str, mode: str) -> Times | None:
        """One file's median step over another's; None where one of them was not measured."""
        files = self.files
        if name not in files or base not in files:
            return None
        runs, others = files[name].runs_ns(mode), files[base].runs_ns(mode)
        if not runs or not others:
            return None
        ratio, low, high = ratio_of(runs, others, paired=len(runs) == len(others))
        return Times(ratio, None if low is None or high is None else not low <= 1 <= high)


@dataclass(frozen=True)
class Results:
    """Everything that is there; ``peers`` is another benchmark's, None where it was not run."""

    training: Mapping[str, Any]
    experiments: Mapping[str, Result]
    appendix: Mapping[str, Any] | None
    peers: Mapping[str, Any] | None

    def models(self, size: float = 1.0) -> list[Mapping[str, Any]]:
        """The trained models of a size."""
        return [model for model in self.training["models"] if model["size"] == size]

    def metrics(self, task: str) -> dict[str, float]:
        """What every kind of the usual size reaches on test data: its file, where that was scored, else its module."""
        found = {model["kind"]: model["test_metric"] for model in self.models() if model["task"] == task}
        scored = self.experiments.get(f"quality-{task}")
        files = {} if scored is None else scored.files
        return found | {
            name: file.quality for name, file in files.items() if name in found and file.quality is not None
        }

    def metric(self, task: str, kind: str) -> float | None:
        """The same of one kind; None where there is none."""
        return self.metrics(task).get(kind)


def read_results(folder: Path) -> Results:
    """What is in a folder of results; UsageError without ``training.json``."""
    found = {path.stem: _document(path) for path in sorted(folder.glob("*.json"))}
    if "training" not in found:
        raise UsageError("there is nothing to write a page of", where=str(folder), do="collect and measure first")
    experiments = {name: Result(document) for name, document in found.items() if "comparison" in document}
    peers = folder.parent / "peers.json"
    return Results(
        found["training"],
        experiments,
        found.get("appendix"),
        json.loads(peers.read_text(encoding="utf-8")) if peers.exists() else None,
    )


def _document(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if (document.get("format"), document.get("version")) != (FORMAT, VERSION):
        raise UsageError("no result of the study", where=str(path), wanted=f"{FORMAT}, version {VERSION}")
    return document


__all__ = ["PAIRS_NEEDED", "Measured", "Result", "Results", "Times", "read_results"]
