"""Comparisons and self-checks as text."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgeseq.cli.durations import format_duration
from edgeseq.cli.sizes import format_share
from edgeseq.cli.tables import WIDTH, format_bytes, table

if TYPE_CHECKING:
    from edgeseq.lab.comparison import Comparison, Subject
    from edgeseq.lab.differences import Difference
    from edgeseq.runtime.measuring import Deadline, Latency, Quantile, Series

_MODES = {"back_to_back": "back to back", "paced": "paced", "paced_step": "step alone"}
#: Modes whose difference is told, and how a quantile of them is shown.
_TOLD = ("back_to_back", "paced")
_QUANTILES = ("p50", "p90", "p99", "p99.9")


def describe(comparison: Comparison) -> str:
    """All that was found."""
    lines = _one(comparison.subjects[0]) if len(comparison.subjects) == 1 else _many(comparison)
    return "\n".join([*lines, *_below(comparison)])


def describe_self_check(found: Mapping[str, Any]) -> str:
    """What a self-check found, and how."""
    from edgeseq.lab.selfcheck.stored import sentence

    rows = [
        [
            _MODES[mode],
            format_duration(judged["p50_ns"] / 1e9),
            format_share(judged["called_different"]) if judged["called_different"] else "none",
            *(f"{format_share(share) if share else 'none'}" for share in judged["found"].values()),
            "-" if judged["visible_share"] is None else format_share(judged["visible_share"]),
        ]
        for mode, judged in found["modes"].items()
    ]
    delays = [f"{100 * float(share):g} % found" for share in next(iter(found["modes"].values()))["found"]]
    return "\n".join(
        [
            f"{found['file']}: {found['rounds']} rounds of fresh processes, {found['trials']} comparisons of "
            f"{found['runs']} of them each",
            "",
            *table(["step", "p50", "equal called different", *delays, "visible from"], rows),
            "",
            *textwrap.wrap(sentence(found), WIDTH),
        ]
    )


def _one(subject: Subject) -> list[str]:
    latency = subject.latency
    settings = latency.settings
    return [
        f"{subject.name}: {_plural(settings['runs'], 'process', 'processes')}, {_stepped(settings)}",
        _machine(latency),
        "",
        *table(
            ["step", "samples", *_QUANTILES, "max", "p50 by process", "late"],
            [_row(series, settings.get("period_ns")) for series in latency.series],
        ),
        "",
        *(line for kind, text in _single(subject) for line in _noted(kind, text)),
    ]


def _single(subject: Subject) -> Iterator[tuple[str, str]]:
    """Everything besides the steps' times: what it is about, and a text."""
    latency = subject.latency
    yield (
        "cold start",
        f"import {_range(latency.import_ns)}, load {_range(latency.load_ns)}, first step "
        f"{_range(latency.first_step_ns)}; from the start of the process to the first answer "
        f"{_range(latency.cold_start_ns)}",
    )
    yield "memory", f"{format_bytes(latency.state_bytes)} of state per further stream{_memory(latency)}"
    if latency.state_bytes_at:
        positions = ", ".join(f"{format_bytes(size)} at {int(at):,}" for at, size in latency.state_bytes_at.items())
        yield "state", positions
    yield "file", format_bytes(latency.file["bytes"])
    yield from _processor(latency)
    if subject.floor is not None:
        yield from _floor(subject)
    if subject.streams_per_core is not None:
        yield "streams", f"{_streams(subject)} per core with p99 within the period"
    left_out = [f"{_MODES[one.mode]} {_counted(one.warmup)}" for one in latency.series if one.mode in _TOLD]
    yield "warm-up", f"{', '.join(left_out)} steps left out"
    if latency.clock:
        yield (
            "clock",
            f"tells {max(one['resolution_ns'] for one in latency.clock)} ns apart, timing itself takes "
            f"{max(one['overhead_ns'] for one in latency.clock)} ns of a sample",
        )
    if any(series.misses is not None for series in latency.series):
        yield "late", "paced steps that took longer than the period, from the moment they were due"
    if latency.deadline is not None:
        yield "deadline", _misses(latency.deadline)


def _many(comparison: Comparison) -> list[str]:
    subjects = comparison.subjects
    first = subjects[0].latency
    settings = first.settings
    how = "taking turns in random order" if comparison.together else "not measured together"
    return [
        f"{_plural(settings['runs'], 'process', 'processes')} of each, {how}; {_stepped(settings)}",
        _machine(first),
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
        cells = [_quantile(latency, "back_to_back", "p50"), _quantile(latency, "back_to_back", "p99")]
        cells += [_quantile(latency, "paced", name) for name in ("p50", "p99", "p99.9")]
        late = latency.of("paced").misses if latency.has("paced") else None
        cells += ["" if late is None else f"{sum(late):,}", _missed(latency.deadline)]
        rows.append([subject.name, *cells, *(_quantile(latency, mode, "p50") for mode in positions)])
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
                _middle(latency.cold_start_ns),
                "" if floor is None else format_bytes(round(floor["weight_bytes"] + floor["state_bytes"])),
                "" if floor is None else f"{floor['multiply_adds']:,.0f}",
                "" if floor is None else _distance(subject),
                "" if subject.streams_per_core is None else _streams(subject),
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
    for mode in [*_TOLD, *(series.mode for series in subject.latency.series if series.mode.startswith("at_"))]:
        difference = comparison.difference(subject.name, mode)
        if difference is not None:
            parts.append(f"{_MODES.get(mode, mode.replace('_', ' '))} {differing(difference)}")
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


def _below(comparison: Comparison) -> Iterator[str]:
    """What stands under every table: findings, and what differences can be seen here."""
    from edgeseq.lab.findings import find, find_across
    from edgeseq.lab.joining import unlike
    from edgeseq.lab.selfcheck.stored import sentence

    notes = [("unlike", text) for text in unlike(comparison)]
    several = len(comparison.subjects) > 1
    for subject in comparison.subjects:
        name = f"{subject.name}: " if several else ""
        notes += [("finding", f"{name}{finding.sentence}") for finding in find(subject.latency)]
    notes += [("finding", finding.sentence) for finding in find_across(comparison)]
    notes.append(("visible", sentence(comparison.self_check)))
    for kind, text in notes:
        yield from _noted(kind, text)


def _noted(kind: str, text: str) -> list[str]:
    """Lines of a text with what it is about in front."""
    return textwrap.wrap(text, WIDTH, initial_indent=f"{kind:12}", subsequent_indent=" " * 12, break_on_hyphens=False)


def _machine(latency: Latency) -> str:
    return (
        f"{latency.machine['cpu']}, {latency.machine['usable_cores']} cores, "
        f"onnxruntime {latency.versions['onnxruntime']}"
    )


def _stepped(settings: Mapping[str, Any]) -> str:
    parts = [f"batch {settings['batch']}", _plural(settings["threads"], "thread", "threads"), settings["device"]]
    if settings.get("frames", 1) != 1:
        parts.append(f"{settings['frames']:,} frames per step")
    if settings.get("streams", 1) != 1:
        parts.append(f"{settings['streams']:,} streams {'in a pool' if settings['pool'] else 'in turn'}")
    if settings.get("busy_thread"):
        parts.append("beside a busy thread")
    return ", ".join(parts)


def _plural(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _misses(deadline: Deadline) -> str:
    missed, steps = sum(deadline.misses), sum(deadline.steps)
    text = f"{missed:,} of {steps:,} paced steps took longer than {format_duration(deadline.deadline_ns / 1e9)}"
    by_process = ", ".join(f"{count:,}" for count in deadline.misses)
    return text + (f" ({format_share(deadline.share)}; by process {by_process})" if missed else "")


def _missed(deadline: Deadline | None) -> str:
    return "" if deadline is None else f"{sum(deadline.misses):,}"


def _row(series: Series, period_ns: int | None) -> list[str]:
    label = _MODES.get(series.mode, series.mode.replace("_", " "))
    if series.mode == "paced" and period_ns:
        label += f" at {format_duration(period_ns / 1e9)}"
    spread = _range(series.quantiles["p50"].runs_ns)
    late = "" if series.misses is None else f"{sum(series.misses):,}"
    samples = f"{len(series.counts)} x {min(series.counts):,}"
    quantiles = [_time(series.quantiles[name]) for name in _QUANTILES]
    return [label, samples, *quantiles, _time(series.max_ns, worst=True), spread, late]


def _counted(counts: tuple[int, ...]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _quantile(latency: Latency, mode: str, name: str) -> str:
    return _time(latency.of(mode).quantiles[name], missing="") if latency.has(mode) else ""


def _time(quantile: Quantile, worst: bool = False, missing: str = "-") -> str:
    """The median across processes, or the worst of them; a dash where there are too few samples."""
    value = quantile.most_ns if worst else quantile.median_ns
    return missing if value is None else format_duration(value / 1e9)


def _range(values: tuple[int, ...]) -> str:
    if not values:
        return "-"
    low, high = format_duration(min(values) / 1e9), format_duration(max(values) / 1e9)
    return low if low == high else f"{low} to {high}"


def _memory(latency: Latency) -> str:
    text = ""
    if latency.stream_bytes is not None:
        text += f", {format_bytes(latency.stream_bytes)} of the process's memory"
    known = [peak for peak in latency.peak_rss_bytes if peak is not None]
    return text + (f"; {format_bytes(max(known))} in the whole process" if known else "")


def _processor(latency: Latency) -> Iterator[tuple[str, str]]:
    """Processor time, cycles and energy of a step."""
    if not latency.readings:
        return
    times = [f"{_MODES[mode]} {format_duration(value / 1e9)}" for mode, value in latency.cpu_ns.items()]
    yield "processor", f"{', '.join(times)} of its time per step"
    readings = latency.readings[0]["back_to_back"]
    for name, label in (("cycles", "cycles"), ("energy_uj", "energy")):
        if readings.get(name) is None:
            yield label, f"not available: {readings['reasons'].get(name, 'unknown')}"
        elif name == "cycles":
            yield label, f"{readings[name] / readings['steps']:,.0f} per step, back to back"
        else:
            meters = ", ".join(f"{key} {value / readings['steps']:.3g} uJ" for key, value in readings[name].items())
            yield label, f"{meters} per step, back to back, everything on the processor"


def _floor(subject: Subject) -> Iterator[tuple[str, str]]:
    floor = subject.floor
    assert floor is not None
    yield (
        "floor",
        f"{format_duration(floor['floor_ns'] / 1e9)}, bound by {floor['bound']}: "
        f"{format_bytes(round(floor['weight_bytes'] + floor['state_bytes']))} to read at "
        f"{floor['read_bytes_per_s'] / 1e9:.3g} GB/s, {floor['multiply_adds']:,.0f} multiply-adds at "
        f"{floor['multiply_adds_per_s'] / 1e9:.3g} G/s, {format_duration(floor['call_ns'] / 1e9)} for a call of an "
        f"empty graph; a step takes {_distance(subject)} times as long",
    )


def _distance(subject: Subject) -> str:
    p50 = subject.latency.of("back_to_back").p50_ns
    assert subject.floor is not None
    return "" if p50 is None else f"{p50 / subject.floor['floor_ns']:.2f}"


def _streams(subject: Subject) -> str:
    found = subject.streams_per_core
    assert found is not None
    text = f"{round(statistics.median(found['runs'])):,}"
    return f"{text} or more" if found["bounded"] else text


def _middle(values: tuple[int, ...]) -> str:
    return format_duration(statistics.median(values) / 1e9) if values else ""
