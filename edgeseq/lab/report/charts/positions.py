"""What a step costs, and what a stream holds, at each position."""

from __future__ import annotations

from typing import Any

from edgeseq.lab.report.charts.chart import Chart, Found, interval, legend, listed, log_limits
from edgeseq.lab.report.style import WIDTH, look, new_figure, to_svg
from edgeseq.lab.units import duration, size, size_unit, time_unit

Points = list[tuple[int, float, float, float]]


def latency_at(document: Found) -> Chart | None:
    """The median step around each position."""
    return _chart(
        document,
        "latency-at",
        "Latency against position",
        "The median step around each position, with the interval across processes.",
        "time of one step ({}, log scale)",
        _steps,
        (time_unit, duration),
    )


def memory_at(document: Found) -> Chart | None:
    """What one stream's state takes at each position."""
    return _chart(
        document,
        "memory-at",
        "Memory against position",
        "What the states of one stream take; a file without states has no line. The weights come once for all streams.",
        "state of one stream ({}, log scale)",
        _states,
        (size_unit, size),
    )


def _chart(document: Found, name: str, title: str, caption: str, label: str, points: Any, units: Any) -> Chart | None:
    lines = [points(subject) for subject in document["subjects"]]
    if max(map(len, lines)) < 2:
        return None
    unit, factor = units[0]([value for line in lines for _, *values in line for value in values])
    figure = new_figure(2.9, WIDTH)
    axes = figure.subplots()
    for index, line in enumerate(lines):
        _line(axes, line, index, factor)
    places = [position for line in lines for position, *_ in line]
    heights = [max(value, 1) / factor for line in lines for _, *values in line for value in values]
    log_limits(axes.xaxis, min(places), max(places))
    log_limits(axes.yaxis, min(heights), max(heights), room=1.3)
    axes.set(xlabel="position in the stream (frames so far, log scale)", ylabel=label.format(unit))
    axes.grid(visible=True)
    alt = listed(
        [_words(subject["name"], line, units[1]) for subject, line in zip(document["subjects"], lines, strict=True)]
    )
    return Chart(name, title, caption, to_svg(figure, name, title, alt), legend(document))


def _steps(subject: Found) -> Points:
    """Position, median step, and its interval, in nanoseconds."""
    found = []
    for series in subject["latency"]["series"]:
        p50 = series["quantiles"]["p50"]
        if series["mode"].startswith("at_") and p50["median_ns"] is not None:
            found.append((int(series["mode"][3:]), p50["median_ns"], *interval(p50)))
    return sorted(found)


def _states(subject: Found) -> Points:
    held = subject["latency"]["state_bytes_at"]
    return sorted((int(position), count, count, count) for position, count in held.items() if count)


def _line(axes: Any, line: Points, index: int, factor: float) -> None:
    if line:
        style = look(index)
        places, middles, lows, highs = zip(*line, strict=True)
        values = [max(1, middle) / factor for middle in middles]
        axes.plot(places, values, **style.line, marker=style.marker)
        if lows != highs:
            axes.vlines(places, [low / factor for low in lows], [high / factor for high in highs], color=style.colour)


def _words(name: str, line: Points, written: Any) -> str:
    return f"{name}: " + ", ".join(f"{written(middle)} at {position:,}" for position, middle, *_ in line)
