"""Percentile curves: which share of the steps takes at most how long."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from edgeseq.lab.report.charts.chart import (
    MODES,
    Chart,
    Found,
    interval,
    legend,
    listed,
    log_limits,
    modes_of,
    series_of,
)
from edgeseq.lab.report.style import WIDTH, look, new_figure, to_svg
from edgeseq.lab.units import duration, time_unit

#: Shares of steps that have a tick. Each nine takes the same room, as in HdrHistogram's plots.
_TICKS = (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)
#: Markers of one quantile stand side by side within so many nines.
_APART = 0.12
#: The quantiles that have markers.
_MARKED = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}


def percentiles(document: Found) -> Chart | None:
    """One panel for each mode, a line for each subject; markers at the quantiles of the table."""
    modes = modes_of(document)
    if not modes:
        return None
    drawn = [series for subject in document["subjects"] for mode in modes if (series := series_of(subject, mode))]
    low, high = (bound(edge for series in drawn for edge in _ends(series)) for bound in (min, max))
    unit, factor = time_unit([low, high])
    figure = new_figure(0.6 + 2.35 * len(modes), WIDTH)
    for axes, mode in zip(figure.subplots(len(modes), 1, squeeze=False)[:, 0], modes, strict=True):
        _panel(axes, document, mode, factor)
        log_limits(axes.yaxis, low / factor, high / factor)
        axes.set(
            title=MODES[mode],
            ylabel=f"time of one step ({unit}, log)",
            xlabel="share of steps that take at most this long (%)",
        )
    title = "Percentile curves"
    alt = listed(
        [
            f"{s['name']}, {m.replace('_', ' ')}: {_words(series)}"
            for s in document["subjects"]
            for m in modes
            if (series := series_of(s, m))
        ]
    )
    return Chart(
        "percentiles",
        title,
        "Lines: the histogram of all processes together. Markers: the median across processes of each quantile, with "
        "the interval that holds it with 95 % (of fewer than six processes: the least and the greatest).",
        to_svg(figure, "percentiles", title, alt),
        legend(document),
    )


def place(share: float) -> float:
    """Where a share of steps stands on the axis: each further nine is one to the right."""
    return -math.log10(1 - share)


def _ends(series: Found) -> tuple[int, int]:
    return max(1, series["histogram_lows_ns"][0]), max(2, series["histogram_highs_ns"][-1])


def curve(series: Found) -> tuple[Any, Any]:
    """Places on the axis, and the time in nanoseconds within which so large a share of steps has ended.

    At the greatest sample nothing lies beyond, which has no place: the line ends where one step is left.
    """
    counts = np.asarray(series["histogram_counts"], dtype=np.float64)
    before = np.cumsum(counts)[:-1] / counts.sum()
    shares = np.concatenate([[0.0], before, [1 - 0.5 / counts.sum()]])
    times = np.concatenate([series["histogram_lows_ns"][:1], series["histogram_highs_ns"]])
    return -np.log10(1 - shares), np.maximum(1, times)


def _panel(axes: Any, document: Found, mode: str, factor: float) -> None:
    furthest = 1.0
    for index, subject in enumerate(document["subjects"]):
        series, style = series_of(subject, mode), look(index)
        if series is not None:
            places, times = curve(series)
            axes.plot(places, times / factor, **style.line, linewidth=1.3)
            apart = _APART * (index - (len(document["subjects"]) - 1) / 2) / max(2, len(document["subjects"]) - 1)
            _mark(axes, series, style, factor, apart)
            furthest = max(furthest, places[-1])
    ticks = [share for share in _TICKS if place(share) <= furthest * 1.02]
    axes.set_xticks([place(share) for share in ticks], [f"{100 * share:g}" for share in ticks])
    axes.set_xlim(-0.03 * furthest, 1.03 * furthest)
    axes.grid(visible=True)


def _mark(axes: Any, series: Found, style: Any, factor: float, aside: float) -> None:
    for name, share in _MARKED.items():
        quantile = series["quantiles"].get(name)
        if quantile is not None and quantile["median_ns"] is not None:
            middle, (low, high) = quantile["median_ns"], interval(quantile)
            apart = [[max(0, middle - low) / factor], [max(0, high - middle) / factor]]
            axes.errorbar(
                [place(share) + aside],
                [middle / factor],
                yerr=apart,
                fmt=style.marker,
                color=style.colour,
                elinewidth=1.2,
                capsize=2.5,
            )


def _words(series: Found) -> str:
    known = [(name, series["quantiles"][name]["median_ns"]) for name in _MARKED if name in series["quantiles"]]
    return ", ".join(f"{name} {duration(value)}" for name, value in known if value is not None)
