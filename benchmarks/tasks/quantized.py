"""What quantization cost one trained model after the other: a value with a versioned JSON form. Needs no torch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

FORMAT = "edgeseq.quantized_tasks"
VERSION = 1

#: The share of the metric that 8 bits may lose; the SQNR in dB that 4 bits must keep and how often smaller they are.
MOST_LOST, LEAST_DB, LEAST_SMALLER = 0.005, 15.0, 7.0


@dataclass(frozen=True)
class Weights:
    """A quantized node; ``alone_snr_db``: SQNR of the model's worst output with this node alone quantized."""

    name: str
    scheme: str
    bytes_before: int
    bytes_after: int
    snr_db: float | None
    alone_snr_db: float | None

    @property
    def smaller(self) -> float:
        """How many times."""
        return self.bytes_before / self.bytes_after


@dataclass(frozen=True)
class Row:
    """One trained model in one kind, by the metric on its evaluation data, of which ``answers`` are judged.

    ``lost`` is the share of ``before``; None where that is nothing. ``snr_db``: of the worst output; None: no error.
    ``groups`` are the inputs of products in blocks and how many of them share a scale. ``left``: nodes that stay in
    float, and why.
    """

    task: str
    model: str
    kind: str
    metric: str
    lower_is_better: bool
    answers: int
    before: float
    after: float
    lost: float | None
    snr_db: float | None
    file_bytes_before: int
    file_bytes_after: int
    long_run: str
    nodes: tuple[Weights, ...]
    groups: tuple[tuple[int, int], ...]
    left: tuple[tuple[str, str], ...]

    @property
    def smaller(self) -> float:
        """How many times the file is."""
        return self.file_bytes_before / self.file_bytes_after

    @property
    def wanted(self) -> bool:
        """Whether something is wanted of the kind."""
        return self.kind in ("int8-dynamic", "int4-weights")

    @property
    def missed(self) -> tuple[str, ...]:
        """What is wanted of the kind and does not hold, each with the reason that can be read off the report."""
        found = []
        if self.kind == "int8-dynamic" and not (self.lost is not None and self.lost <= MOST_LOST):
            lost = "all of it" if self.lost is None else f"{self.lost:.2%}"
            found.append(f"{self.metric} loses {lost}: {self._costliest()}{self._coarse()}")
        if self.kind == "int4-weights" and self.snr_db is not None and self.snr_db < LEAST_DB:
            found.append(f"{self.snr_db:.1f} dB: {self._costliest()}")
        if self.kind == "int4-weights" and self.smaller < LEAST_SMALLER:
            found.append(f"{self.smaller:.2f} times smaller: {self._largest()}")
        return tuple(found)

    def _costliest(self) -> str:
        """The node without which the error would be least."""
        seen = [node for node in self.nodes if node.alone_snr_db is not None]
        if not seen:
            return "no node alone shows an error"
        worst = min(seen, key=lambda node: node.alone_snr_db or 0.0)
        return f"{worst.name} costs most, {worst.alone_snr_db:.1f} dB alone"

    def _coarse(self) -> str:
        """A word where a single answer is more than may be lost."""
        share = 1 / (self.answers * abs(self.before)) if self.before else math.inf
        if self.metric != "accuracy" or share <= MOST_LOST:
            return ""
        return f"; one of {self.answers:,} answers is {share:.2%}"

    def _largest(self) -> str:
        """Which weights are not so much smaller, and what is beside weights."""
        parts = [f"{name} stays in float: {why}" for name, why in self.left]
        wide = [node for node in self.nodes if node.smaller < LEAST_SMALLER]
        if wide:
            heaviest = max(wide, key=lambda node: node.bytes_after)
            grouped = ", ".join(f"{inputs:,} inputs in groups of {group}" for inputs, group in self.groups)
            parts.append(f"{heaviest.name} is {heaviest.smaller:.2f} times smaller ({grouped})")
        rest = self.file_bytes_after - sum(node.bytes_after for node in self.nodes)
        parts.append(f"{rest / 1024:.0f} of {self.file_bytes_after / 1024:.0f} KiB are no quantized weights")
        return "; ".join(parts)


@dataclass(frozen=True)
class Tasks:
    """All rows of one run, and what it ran on; ``settings`` are those of every kind, by its name.

    ``others_cores`` is how many cores other programs kept busy meanwhile, on average.
    """

    rows: tuple[Row, ...]
    settings: Mapping[str, Mapping[str, Any]]
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    others_cores: float
    date: str

    def to_json(self) -> str:
        """The result as JSON text."""
        document = {"format": FORMAT, "version": VERSION, **asdict(self)}
        for row, written in zip(self.rows, document["rows"], strict=True):
            written["missed"] = list(row.missed)
        return json.dumps(document, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Tasks:
        """Read what :meth:`to_json` wrote; ValueError where it is something else."""
        document = json.loads(text)
        if (document.pop("format", None), document.pop("version", None)) != (FORMAT, VERSION):
            raise ValueError(f"not a result of format {FORMAT!r}, version {VERSION}")
        return cls(**{**document, "rows": tuple(map(_row, document.pop("rows")))})


def _row(written: dict[str, Any]) -> Row:
    del written["missed"]
    nodes = tuple(Weights(**node) for node in written["nodes"])
    pairs = {name: tuple(tuple(pair) for pair in written[name]) for name in ("groups", "left")}
    return Row(**{**written, "nodes": nodes, **pairs})
