"""The paced steps of one process in order, those that missed marked."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeseq.lab.report.charts.chart import Chart, Found, listed, log_limits, series_of, shortened
from edgeseq.lab.report.style import INK, WIDTH, WRONG, Look, look, new_figure, to_svg
from edgeseq.lab.units import duration, time_unit

#: Points of all subjects together: a page stays small.
_POINTS = 3_000
_STEP, _LIMIT, _MISS = Look(look(0).colour, (), ""), Look(INK, (5, 2), ""), Look(WRONG, (), "X")
#: Misses that get a marker of their own; more of them are lines close together.
_MARKED = 100


def timeline(document: Found) -> Chart | None:
    """A panel for each subject whose paced steps were kept in order."""
    subjects = [subject for subject in document["subjects"] if _kept(subject)]
    if not subjects:
        return None
    most = max(50, _POINTS // len(subjects))
    drawn = [(subject, _thinned(subject, most)) for subject in subjects]
    limits = [limit for subject in subjects if (limit := limit_ns(subject)) is not None]
    low, high = (bound([*limits, *(bound(values) for _, (_, values) in drawn)]) for bound in (min, max))
    unit, factor = time_unit([max(1, low), high])
    figure = new_figure(0.7 + 1.5 * len(drawn), WIDTH)
    panels = figure.subplots(len(drawn), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (subject, points) in zip(panels, drawn, strict=True):
        _panel(axes, subject, points, factor)
        log_limits(axes.yaxis, max(1, low) / factor, high / factor, room=1.4)
    panels[-1].set_xlabel("time since the first paced step after warm-up (s)")
    figure.supylabel(f"from due to answer ({unit}, log scale)", fontsize=9)
    alt = listed([_words(subject, points) for subject, points in drawn])
    return Chart(
        "timeline",
        title := "Paced steps in order",
        "The first process. Each point is the longest of the steps around it. The dashed line is the deadline, or the "
        "period where none was given; every point beyond it is marked.",
        to_svg(figure, "timeline", title, alt),
        (("a step, the longest of those around it", _STEP), ("deadline or period", _LIMIT), ("beyond it", _MISS)),
    )


def limit_ns(subject: Found) -> int | None:
    """What a paced step may take: the deadline, else the period."""
    settings, deadline = subject["latency"]["settings"], subject["latency"]["deadline"]
    limit: int | None = deadline["deadline_ns"] if deadline is not None else settings.get("period_ns")
    return limit


def _kept(subject: Found) -> bool:
    series = series_of(subject, "paced")
    return bool(series and series["timeline_ns"] and subject["latency"]["settings"].get("period_ns"))


def _thinned(subject: Found, most: int) -> tuple[Any, Any]:
    """Seconds and nanoseconds of at most ``most`` points, each the longest of those it stands for."""
    series, period_ns = series_of(subject, "paced"), subject["latency"]["settings"]["period_ns"]
    assert series is not None
    values = np.asarray(series["timeline_ns"], dtype=np.float64)
    every = -(-len(values) // most)
    longest = np.maximum.reduceat(values, range(0, len(values), every))
    settings = subject["latency"]["settings"]
    due_at_once = 1 if settings.get("pool") else settings.get("streams", 1)
    steps = np.arange(len(longest)) * every * series["timeline_every"]
    return steps // due_at_once * period_ns / 1e9, np.maximum(1, longest)


def _panel(axes: Any, subject: Found, points: tuple[Any, Any], factor: float) -> None:
    seconds, values = points
    axes.plot(seconds, values / factor, color=_STEP.colour, linewidth=0.8)
    limit = limit_ns(subject)
    if limit is not None:
        axes.axhline(limit / factor, **_LIMIT.line, linewidth=1)
        missed = values > limit
        _misses(axes, seconds[missed], values[missed] / factor, limit / factor)
    axes.set_title(shortened(subject["name"]))
    axes.margins(x=0.01)
    axes.grid(axis="y")


def _misses(axes: Any, seconds: Any, values: Any, limit: float) -> None:
    """A stroke from the limit to each, as one path; a marker on each where they are few."""
    gaps = np.full(len(values), np.nan)
    strokes = np.stack([np.full(len(values), limit), values, gaps], axis=1).ravel()
    axes.plot(np.repeat(seconds, 3), strokes, color=WRONG, linewidth=1.2)
    if len(values) <= _MARKED:
        axes.plot(seconds, values, "X", color=WRONG, markersize=5, linestyle="none")


def _words(subject: Found, points: tuple[Any, Any]) -> str:
    limit = limit_ns(subject)
    beyond = 0 if limit is None else int((points[1] > limit).sum())
    longest = duration(points[1].max())
    return f"{subject['name']}: {beyond} of {len(points[1]):,} points beyond {duration(limit)}, the longest {longest}"
