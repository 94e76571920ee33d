"""Quality against latency: what a faster model costs in quality."""

from __future__ import annotations

from typing import Any

from edgeseq.lab.report.charts.chart import Chart, Found, interval, legend, listed, log_limits, series_of
from edgeseq.lab.report.style import WIDTH, look, new_figure, to_svg
from edgeseq.lab.units import digits, duration, time_unit


def quality(document: Found) -> Chart | None:
    """One point for each subject with a quality, at its paced median step, or back to back where none is paced."""
    rated = [(index, subject) for index, subject in enumerate(document["subjects"]) if subject["quality"] is not None]
    mode = "paced" if rated and all(series_of(subject, "paced") for _, subject in rated) else "back_to_back"
    points = [(index, subject, p50) for index, subject in rated if (p50 := _median(subject, mode)) is not None]
    if not points:
        return None
    unit, factor = time_unit([p50["median_ns"] for *_, p50 in points])
    figure = new_figure(2.9, WIDTH)
    axes = figure.subplots()
    for index, subject, p50 in points:
        _point(axes, index, subject["quality"]["value"], p50, factor)
    _dress(axes, points, mode, unit, factor)
    title, metric = "Quality against latency", points[0][1]["quality"]["metric"]
    alt = listed(
        [
            f"{s['name']}: {metric} {digits(s['quality']['value'])} at {duration(p50['median_ns'])}"
            for _, s, p50 in points
        ]
    )
    better = "lower" if points[0][1]["quality"]["lower_is_better"] else "higher"
    caption = f"Left is faster, {better} is better. The bar is the interval of the median step across processes."
    shown = tuple(legend(document)[index] for index, *_ in points)
    return Chart("quality", title, caption, to_svg(figure, "quality", title, alt), shown)


def _median(subject: Found, mode: str) -> Found | None:
    series = series_of(subject, mode)
    p50: Found | None = None if series is None else series["quantiles"]["p50"]
    return None if p50 is None or p50["median_ns"] is None else p50


def _point(axes: Any, index: int, value: float, p50: Found, factor: float) -> None:
    style, (low, high) = look(index), interval(p50)
    axes.hlines([value], low / factor, high / factor, color=style.colour)
    axes.plot([p50["median_ns"] / factor], [value], style.marker, color=style.colour, markersize=8)


def _dress(axes: Any, points: Any, mode: str, unit: str, factor: float) -> None:
    times = [edge / factor for *_, p50 in points for edge in (*interval(p50), p50["median_ns"])]
    values = [subject["quality"]["value"] for _, subject, _ in points]
    log_limits(axes.xaxis, min(times), max(times), room=1.2)
    room = max(0.15 * (max(values) - min(values)), 0.02 * max(map(abs, values)), 1e-9)
    axes.set_ylim(min(values) - room, max(values) + room)
    metric, lower = points[0][1]["quality"]["metric"], points[0][1]["quality"]["lower_is_better"]
    axes.set_ylabel(f"{metric} ({'lower' if lower else 'higher'} is better)")
    axes.set_xlabel(f"median step, {mode.replace('_', ' ')} ({unit}, log scale)")
    axes.grid(visible=True)
