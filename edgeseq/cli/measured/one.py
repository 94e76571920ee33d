"""One measurement as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from edgeseq.cli.durations import format_duration
from edgeseq.cli.measured.words import TOLD, distance, machine, noted, plural, span, stepped, streams, time
from edgeseq.cli.sizes import format_share
from edgeseq.cli.tables import format_bytes, table
from edgeseq.lab.units import MODES

if TYPE_CHECKING:
    from edgeseq.lab.comparison import Subject
    from edgeseq.runtime.measuring import Deadline, Latency, Series

_QUANTILES = ("p50", "p90", "p99", "p99.9")


def describe_one(subject: Subject) -> list[str]:
    """What was found about one thing, the findings apart."""
    latency = subject.latency
    settings = latency.settings
    return [
        f"{subject.name}: {plural(settings['runs'], 'process', 'processes')}, {stepped(settings)}",
        machine(latency),
        "",
        *table(
            ["step", "samples", *_QUANTILES, "max", "p50 by process", "late"],
            [_row(series, settings.get("period_ns")) for series in latency.series],
        ),
        "",
        *(line for kind, text in _single(subject) for line in noted(kind, text)),
    ]


def _single(subject: Subject) -> Iterator[tuple[str, str]]:
    """Everything besides the steps' times: what it is about, and a text."""
    latency = subject.latency
    yield (
        "cold start",
        f"import {span(latency.import_ns)}, load {span(latency.load_ns)}, first step "
        f"{span(latency.first_step_ns)}; from the start of the process to the first answer "
        f"{span(latency.cold_start_ns)}",
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
        yield "streams", f"{streams(subject)} per core with p99 within the period"
    left_out = [f"{MODES[one.mode]} {_counted(one.warmup)}" for one in latency.series if one.mode in TOLD]
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


def _misses(deadline: Deadline) -> str:
    missed, steps = sum(deadline.misses), sum(deadline.steps)
    text = f"{missed:,} of {steps:,} paced steps took longer than {format_duration(deadline.deadline_ns / 1e9)}"
    by_process = ", ".join(f"{count:,}" for count in deadline.misses)
    return text + (f" ({format_share(deadline.share)}; by process {by_process})" if missed else "")


def _row(series: Series, period_ns: int | None) -> list[str]:
    label = MODES.get(series.mode, series.mode.replace("_", " "))
    if series.mode == "paced" and period_ns:
        label += f" at {format_duration(period_ns / 1e9)}"
    spread = span(series.quantiles["p50"].runs_ns)
    late = "" if series.misses is None else f"{sum(series.misses):,}"
    samples = f"{len(series.counts)} x {min(series.counts):,}"
    quantiles = [time(series.quantiles[name]) for name in _QUANTILES]
    return [label, samples, *quantiles, time(series.max_ns, worst=True), spread, late]


def _counted(counts: tuple[int, ...]) -> str:
    low, high = min(counts), max(counts)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


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
    times = [f"{MODES[mode]} {format_duration(value / 1e9)}" for mode, value in latency.cpu_ns.items()]
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
        f"empty graph; a step takes {distance(subject)} times as long",
    )
