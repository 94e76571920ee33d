"""Words and numbers that the texts of measurements share."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from edgeseq.cli.durations import format_duration
from edgeseq.cli.tables import WIDTH

if TYPE_CHECKING:
    from edgeseq.lab.comparison import Subject
    from edgeseq.runtime.measuring import Latency, Quantile

#: Modes whose difference is told.
TOLD = ("back_to_back", "paced")


def machine(latency: Latency) -> str:
    """The processor and what ran on it."""
    return (
        f"{latency.machine['cpu']}, {latency.machine['usable_cores']} cores, "
        f"onnxruntime {latency.versions['onnxruntime']}"
    )


def stepped(settings: Mapping[str, Any]) -> str:
    """How the steps were made."""
    parts = [f"batch {settings['batch']}", plural(settings["threads"], "thread", "threads"), settings["device"]]
    if settings.get("frames", 1) != 1:
        parts.append(f"{settings['frames']:,} frames per step")
    if settings.get("streams", 1) != 1 or settings.get("pool"):
        parts.append(f"{settings['streams']:,} streams {'in a pool' if settings['pool'] else 'in turn'}")
    if settings.get("busy_thread"):
        parts.append("beside a busy thread")
    return ", ".join(parts)


def plural(count: int, one: str, many: str) -> str:
    """A count with its noun."""
    return f"{count} {one if count == 1 else many}"


def quantile(latency: Latency, mode: str, name: str) -> str:
    """A quantile of a mode; nothing where it was not measured or has too few samples."""
    return time(latency.of(mode).quantiles[name], missing="") if latency.has(mode) else ""


def time(quantile: Quantile, worst: bool = False, missing: str = "-") -> str:
    """The median across processes, or the worst of them; a dash where there are too few samples."""
    value = quantile.most_ns if worst else quantile.median_ns
    return missing if value is None else format_duration(value / 1e9)


def span(values: tuple[int, ...]) -> str:
    """The least and the greatest of nanoseconds; one of them where they read the same."""
    if not values:
        return "-"
    low, high = format_duration(min(values) / 1e9), format_duration(max(values) / 1e9)
    return low if low == high else f"{low} to {high}"


def distance(subject: Subject) -> str:
    """How many times the floor the median step takes; nothing where that is not known."""
    p50 = subject.latency.of("back_to_back").p50_ns
    assert subject.floor is not None
    return "" if p50 is None else f"{p50 / subject.floor['floor_ns']:.2f}"


def streams(subject: Subject) -> str:
    """How many streams one core serves."""
    found = subject.streams_per_core
    assert found is not None
    text = f"{round(statistics.median(found['runs'])):,}"
    return f"{text} or more" if found["bounded"] else text


def middle(values: tuple[int, ...]) -> str:
    """The median of nanoseconds; nothing of none."""
    return format_duration(statistics.median(values) / 1e9) if values else ""


def noted(kind: str, text: str) -> list[str]:
    """Lines of a text with what it is about in front."""
    return textwrap.wrap(text, WIDTH, initial_indent=f"{kind:12}", subsequent_indent=" " * 12, break_on_hyphens=False)
