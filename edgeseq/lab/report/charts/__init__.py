"""The charts of a report, each made from a comparison's plain values, or None where these say nothing of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgeseq.lab.report.charts.chart import Chart
from edgeseq.lab.report.charts.distribution import histograms
from edgeseq.lab.report.charts.percentiles import percentiles
from edgeseq.lab.report.charts.positions import latency_at, memory_at
from edgeseq.lab.report.charts.quality import quality
from edgeseq.lab.report.charts.timeline import timeline
from edgeseq.lab.report.style import drawing

#: In the order of the page.
CHARTS: tuple[Callable[[dict[str, Any]], Chart | None], ...] = (
    percentiles,
    quality,
    latency_at,
    memory_at,
    histograms,
    timeline,
)


def draw_all(document: dict[str, Any]) -> list[Chart]:
    """Every chart that this comparison has something for; NotInstalled without matplotlib."""
    with drawing():
        return [chart for draw in CHARTS if (chart := draw(document)) is not None]
