"""A latency result: an immutable value with a versioned JSON form."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from edgeseq.errors import UsageError
from edgeseq.runtime.measuring.deadline import Deadline
from edgeseq.runtime.measuring.results import read_result
from edgeseq.runtime.measuring.series import Quantile, Series

FORMAT = "edgeseq.latency"
VERSION = 2

#: Medians of fresh processes that differ by more than this factor make a result doubtful.
STEADY_WITHIN = 1.25


@dataclass(frozen=True)
class Latency:
    """What :func:`edgeseq.runtime.measure` found.

    ``file`` has name, sha256, bytes and digest (over graph and weights, as in the contract; None where that has none);
    ``settings`` the arguments; units stand in the names. ``import_ns`` (Python's modules, onnxruntime among them),
    ``load_ns``, ``first_step_ns``, ``cold_start_ns`` (from the process being asked for to its first answer) and
    ``peak_rss_bytes`` (of the whole process, None where the system does not tell) hold one value per run, and so do
    ``clock`` and ``readings`` (by mode: what the machine did meanwhile). ``state_bytes`` is what each further stream
    costs in state tensors, ``stream_bytes`` what it adds to resident memory, ``state_bytes_at`` the former at a
    position. ``deadline`` is None where none was given.
    """

    file: Mapping[str, Any]
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    settings: Mapping[str, Any]
    series: tuple[Series, ...]
    load_ns: tuple[int, ...]
    first_step_ns: tuple[int, ...]
    peak_rss_bytes: tuple[int | None, ...]
    state_bytes: int
    stream_bytes: int | None = None
    import_ns: tuple[int, ...] = ()
    cold_start_ns: tuple[int, ...] = ()
    state_bytes_at: Mapping[str, int] = field(default_factory=dict)
    clock: tuple[Mapping[str, int], ...] = ()
    readings: tuple[Mapping[str, Any], ...] = ()
    deadline: Deadline | None = None

    def of(self, mode: str) -> Series:
        """The series of one mode; KeyError where it was not measured."""
        for series in self.series:
            if series.mode == mode:
                return series
        raise KeyError(mode)

    def has(self, mode: str) -> bool:
        """Whether a mode was measured."""
        return any(series.mode == mode for series in self.series)

    @property
    def cpu_ns(self) -> dict[str, float]:
        """Processor time of a step by mode, the median across runs: the whole process's, warm-up included."""
        return {
            mode: sorted(run[mode]["cpu_ns"] / run[mode]["steps"] for run in self.readings)[len(self.readings) // 2]
            for mode in (self.readings[0] if self.readings else ())
        }

    @property
    def doubts(self) -> tuple[str, ...]:
        """Reasons not to trust a figure, in words; empty where there are none."""
        found = []
        if any(len(series.counts) == 1 for series in self.series):
            found.append("one process only, nothing is known about other ones")
        for series in self.series:
            p50 = series.quantiles["p50"]
            if series.misses is not None and 2 * sum(series.misses) > sum(series.counts):
                found.append(f"{series.mode}: most steps ended after the next was due, so that lateness adds up")
            if p50.least_ns and p50.most_ns and p50.most_ns > STEADY_WITHIN * p50.least_ns:
                ratio = p50.most_ns / p50.least_ns
                found.append(f"{series.mode}: the median of one process is {ratio:.2f} times that of another")
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON has them: without the single samples."""
        bare = replace(self, series=tuple(replace(series, samples_ns=None) for series in self.series))
        document = {"format": FORMAT, "version": VERSION, **asdict(bare), "doubts": list(self.doubts)}
        for series in document["series"]:
            del series["samples_ns"]
        return document

    def to_json(self, indent: int | None = 1) -> str:
        """The result as JSON text, without the single samples."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Latency:
        """Read what :meth:`to_json` wrote; UsageError where it is something else."""
        return cls.from_dict(read_result(text, FORMAT, VERSION, "latency result"))

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Latency:
        """Read what :meth:`to_dict` gave; UsageError where it is something else."""
        try:
            return cls(**{item.name: _READ.get(item.name, _same)(document[item.name]) for item in fields(cls)})
        except (KeyError, TypeError, AttributeError) as error:
            raise UsageError("broken latency result", why=f"{type(error).__name__}: {error}") from None


def _same(value: Any) -> Any:
    return value


def _read_series(values: list[dict[str, Any]]) -> tuple[Series, ...]:
    return tuple(
        Series(
            mode=value["mode"],
            counts=tuple(value["counts"]),
            quantiles={name: _read_quantile(quantile) for name, quantile in value["quantiles"].items()},
            max_ns=_read_quantile(value["max_ns"]),
            histogram_lows_ns=tuple(value["histogram_lows_ns"]),
            histogram_highs_ns=tuple(value["histogram_highs_ns"]),
            histogram_counts=tuple(value["histogram_counts"]),
            misses=None if value["misses"] is None else tuple(value["misses"]),
            warmup=tuple(value["warmup"]),
            timeline_ns=tuple(value["timeline_ns"]),
            timeline_every=value["timeline_every"],
        )
        for value in values
    )


def _read_quantile(value: dict[str, Any]) -> Quantile:
    return Quantile(**{**value, "runs_ns": tuple(value["runs_ns"])})


_READ: dict[str, Callable[[Any], Any]] = {
    "series": _read_series,
    **dict.fromkeys(
        ("load_ns", "first_step_ns", "peak_rss_bytes", "import_ns", "cold_start_ns", "clock", "readings"), tuple
    ),
    "deadline": lambda value: None if value is None else Deadline.read(value),
}
