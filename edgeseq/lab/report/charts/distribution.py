"""How long steps take: a histogram for each subject, its modes together."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from edgeseq.lab.report.charts.chart import MODES, Chart, Found, listed, log_limits, modes_of, series_of, shortened
from edgeseq.lab.report.style import WIDTH, look, new_figure, to_svg
from edgeseq.lab.units import duration, time_unit

#: Bars to a decade, and at most so many in all.
_BARS, _MOST = 60, 160
#: The share of each series' steps at either end that lies beyond the axis.
_BEYOND = 0.005


def histograms(document: Found) -> Chart | None:
    """One panel for each subject over one axis of time."""
    modes = modes_of(document)
    subjects = [subject for subject in document["subjects"] if any(series_of(subject, mode) for mode in modes)]
    if not subjects:
        return None
    edges, unit, factor = _bars([series for subject in subjects for series in _drawn(subject, modes)])
    figure = new_figure(0.75 + 1.15 * len(subjects), WIDTH)
    panels = figure.subplots(len(subjects), 1, sharex=True, squeeze=False)[:, 0]
    for axes, subject in zip(panels, subjects, strict=True):
        _panel(axes, subject, modes, edges / factor, factor)
    log_limits(panels[-1].xaxis, edges[0] / factor, edges[-1] / factor)
    panels[-1].set_xlabel(f"time of one step ({unit}, log scale)")
    figure.supylabel("share of all steps (%)", fontsize=9)
    title = "Histograms"
    alt = listed([_words(subject, mode) for subject in subjects for mode in modes if series_of(subject, mode)])
    return Chart(
        "histograms",
        title,
        "Steps of all processes, warm-up apart. Two hills are two kinds of step. The shortest and the longest 0.5 % "
        "of each may lie beyond the axis: the percentile curves have them.",
        to_svg(figure, "histograms", title, alt),
        tuple((MODES[mode], replace(look(index), marker="")) for index, mode in enumerate(MODES) if mode in modes),
    )


def _drawn(subject: Found, modes: list[str]) -> list[Found]:
    return [series for mode in modes if (series := series_of(subject, mode)) is not None]


def _bars(drawn: list[Found]) -> tuple[Any, str, float]:
    """Edges in nanoseconds that hold nearly every sample, as even in logarithms; the unit of the axis."""
    ends = [_ends(series) for series in drawn]
    low, high = max(1, min(low for low, _ in ends)), max(2, *(high for _, high in ends))
    count = min(_MOST, max(20, math.ceil(_BARS * math.log10(high / low))))
    unit, factor = time_unit([low, high])
    return np.geomspace(low, high, count + 1), unit, factor


def _ends(series: Found) -> tuple[int, int]:
    """Edges of bins between which all but the fewest and the most lie."""
    reached = np.cumsum(series["histogram_counts"]) / sum(series["histogram_counts"])
    first, last = np.searchsorted(reached, [_BEYOND, 1 - _BEYOND])
    return series["histogram_lows_ns"][first], series["histogram_highs_ns"][last]


def shares(series: Found, edges_ns: Any) -> Any:
    """Per cent of all samples in each bar: those of a fine bin lie in the bar that holds the bin's middle."""
    lows, highs = (np.maximum(1, series[name]) for name in ("histogram_lows_ns", "histogram_highs_ns"))
    counts, _ = np.histogram(np.sqrt(lows * 1.0 * highs), bins=edges_ns, weights=series["histogram_counts"])
    return 100 * counts / sum(series["histogram_counts"])


def _panel(axes: Any, subject: Found, modes: list[str], edges: Any, factor: float) -> None:
    for index, mode in enumerate(MODES):
        series = series_of(subject, mode) if mode in modes else None
        if series is not None:
            style, values = look(index), shares(series, edges * factor)
            axes.stairs(values, edges, fill=True, color=style.colour, alpha=0.25, linewidth=0)
            axes.stairs(values, edges, **style.line, linewidth=1.1)
    axes.set_title(shortened(subject["name"]))
    axes.set_ylim(bottom=0)
    axes.grid(axis="x")


def _words(subject: Found, mode: str) -> str:
    series = series_of(subject, mode)
    assert series is not None
    p50 = series["quantiles"]["p50"]["median_ns"]
    return (
        f"{subject['name']}, {mode.replace('_', ' ')}: {sum(series['histogram_counts']):,} steps, p50 {duration(p50)}"
    )
