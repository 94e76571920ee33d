"""Several things measured together as text: two tables, and each against what it is held against."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgeseq.cli.measured.words import (
    TOLD,
    distance,
    machine,
    middle,
    plural,
    quantile,
    stepped,
    streams,
)
from edgeseq.cli.tables import WIDTH, format_bytes, table
from edgeseq.lab.units import MODES

if TYPE_CHECKING:
    from edgeseq.lab.comparison import Comparison, Subject
    from edgeseq.lab.differences import Difference
    from edgeseq.runtime.measuring import Deadline


def describe_many(comparison: Comparison) -> list[str]:
    """What was found about several things, the findings apart."""
    subjects = comparison.subjects
    first = subjects[0].latency
    settings = first.settings
    how = "taking turns in random order" if comparison.together else "not measured together"
    return [
        f"{plural(settings['runs'], 'process', 'processes')} of each, {how}; {stepped(settings)}",
        machine(first),
        "",
        *_dense(_times(comparison)),
        "",
        *_dense(_costs(subjects)),
        "",
        *(line for subject in subjects[1:] for line in _against(comparison, subject)),
    ]


def _times(comparison: Comparison) -> list[list[str]]:
    """The table of times; columns without a figure are left out."""
    every = {series.mode for subject in comparison.subjects for series in subject.latency.series}
    positions = sorted((mode for mode in every if mode.startswith("at_")), key=lambda mode: int(mode[3:]))
    head = ["", "p50", "p99", "paced p50", "p99", "p99.9", "late", "missed", *(f"at {mode[3:]}" for mode in positions)]
    rows = []
    for subject in comparison.subjects:
        latency = subject.latency
        cells = [quantile(latency, "back_to_back", "p50"), quantile(latency, "back_to_back", "p99")]
        cells += [quantile(latency, "paced", name) for name in ("p50", "p99", "p99.9")]
        late = latency.of("paced").misses if latency.has("paced") else None
        cells += ["" if late is None else f"{sum(late):,}", _missed(latency.deadline)]
        rows.append([subject.name, *cells, *(quantile(latency, mode, "p50") for mode in positions)])
    return [head, *rows]


def _costs(subjects: Sequence[Subject]) -> list[list[str]]:
    """The table of everything else."""
    quality = next((subject.quality.metric for subject in subjects if subject.quality is not None), "")
    head = ["", quality.rpartition(":")[2], "size", "state", "stream", "cold start"]
    head += ["reads", "multiply-adds", "x floor", "streams per core"]
    rows = []
    for subject in subjects:
        latency, floor = subject.latency, subject.floor
        rows.append(
            [
                subject.name,
                "" if subject.quality is None else f"{subject.quality.value:.4g}",
                format_bytes(latency.file["bytes"]),
                format_bytes(latency.state_bytes),
                "" if latency.stream_bytes is None else format_bytes(latency.stream_bytes),
                middle(latency.cold_start_ns),
                "" if floor is None else format_bytes(round(floor["weight_bytes"] + floor["state_bytes"])),
                "" if floor is None else f"{floor['multiply_adds']:,.0f}",
                "" if floor is None else distance(subject),
                "" if subject.streams_per_core is None else streams(subject),
            ]
        )
    return [head, *rows]


def _dense(rows: list[list[str]]) -> list[str]:
    """A table without the columns in which nothing stands."""
    kept = [column for column in range(len(rows[0])) if column == 0 or any(row[column] for row in rows[1:])]
    head, *body = ([row[column] for column in kept] for row in rows)
    return table(head, body)


def _against(comparison: Comparison, subject: Subject) -> list[str]:
    """One subject against the first, in words."""
    from edgeseq.lab.differences import PAIRS_NEEDED

    parts, few = [], False
    for mode in [*TOLD, *(series.mode for series in subject.latency.series if series.mode.startswith("at_"))]:
        difference = comparison.difference(subject.name, mode)
        if difference is not None:
            parts.append(f"{MODES.get(mode, mode.replace('_', ' '))} {differing(difference)}")
            few = few or difference.visible is None
    if not parts:
        return []
    base = next(one.base for one in comparison.differences if one.subject == subject.name)
    doubt = f" ({PAIRS_NEEDED} processes of each would tell whether these are differences)" if few else ""
    return textwrap.wrap(f"{subject.name} against {base}: {'; '.join(parts)}{doubt}", WIDTH, break_on_hyphens=False)


def differing(difference: Difference) -> str:
    """A difference in words, with its interval: ``1.82 times as long (1.79 to 1.86)``."""
    times = f"{difference.ratio:.3g} times as long"
    if difference.low is None or difference.high is None:
        return times
    interval = f"({difference.low:.3g} to {difference.high:.3g})"
    return f"{times} {interval}" if difference.visible else f"no visible difference {interval}"


def _missed(deadline: Deadline | None) -> str:
    return "" if deadline is None else f"{sum(deadline.misses):,}"
