"""What a subject costs besides its steps: quality, size, memory, and the way to the first answer."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from edgeseq.lab.report.tables.table import Cell, Table, named
from edgeseq.lab.units import digits, duration, size, span

Found = dict[str, Any]
_SPANS = {"import": "import_ns", "load": "load_ns", "first step": "first_step_ns", "cold start": "cold_start_ns"}


def costs(document: Found) -> Table:
    """A row for each subject; turned on the page, where few subjects have many figures."""
    rated = any(subject["quality"] for subject in document["subjects"])
    served = any(subject.get("streams_per_core") for subject in document["subjects"])
    columns = (
        "",
        *(("quality",) if rated else ()),
        *("file", "state of a stream", "memory of a stream", "peak memory of the process"),
        *_SPANS,
        *(("streams per core",) if served else ()),
    )
    rows = tuple(_row(subject, rated, served) for subject in document["subjects"])
    return Table("costs", "Size, memory and start", columns, rows, turned=True)


def _row(subject: Found, rated: bool, served: bool) -> tuple[Cell, ...]:
    latency = subject["latency"]
    peaks = [peak for peak in latency["peak_rss_bytes"] if peak is not None]
    return (
        named("subject", subject["name"]),
        *((_quality(subject["quality"]),) if rated else ()),
        _size("file_bytes", latency["file"]["bytes"]),
        _size("state_bytes", latency["state_bytes"]),
        _size("stream_bytes", latency["stream_bytes"]),
        _size("peak_rss_bytes", statistics.median(peaks) if peaks else None),
        *(_span(name, latency[name]) for name in _SPANS.values()),
        *((_streams(subject.get("streams_per_core")),) if served else ()),
    )


def _quality(found: Found | None) -> Cell:
    if found is None:
        return Cell("-", {"metric": None, "quality": None})
    better = "lower is better" if found["lower_is_better"] else "higher is better"
    return Cell(
        f"{found['metric']} {digits(found['value'])}", {"metric": found["metric"], "quality": found["value"]}, better
    )


def _size(name: str, count: float | None) -> Cell:
    return Cell(size(count), {name: count}, "not available here" if count is None else None)


def _span(name: str, values: Sequence[int]) -> Cell:
    """The median of all processes, from the least to the greatest."""
    if not values:
        return Cell("-", {name: None})
    middle = statistics.median(values)
    spread = span(min(values), max(values)) if len(values) > 1 else None
    return Cell(duration(middle), {name: middle}, spread)


def _streams(found: Mapping[str, Any] | None) -> Cell:
    """The median of the processes that searched; a sign where more were not tried."""
    if found is None:
        return Cell("-", {"streams_per_core": None})
    middle = statistics.median(found["runs"])
    return Cell(f"{middle:,.0f}{' or more' if found['bounded'] else ''}", {"streams_per_core": middle})
