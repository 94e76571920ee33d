"""The charts as values: which there are, what they say, and that they are the same each time."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from edgeseq.errors import NotInstalled
from edgeseq.lab.comparison import Comparison
from edgeseq.lab.report import check_report
from edgeseq.lab.report.charts import draw_all
from edgeseq.lab.report.charts.distribution import shares
from edgeseq.lab.report.charts.percentiles import curve, place
from edgeseq.lab.report.style import COLOURS, MARKERS, look
from tests.lab.report.comparisons import comparison

ALL = ["percentiles", "quality", "latency-at", "memory-at", "histograms", "timeline"]


def plain(found: Comparison) -> dict[str, Any]:
    """Through JSON, as a result that was read."""
    return dict(json.loads(found.to_json()))


def test_every_chart_is_there_with_a_title_and_a_description() -> None:
    charts = draw_all(plain(comparison(2)))
    assert [chart.name for chart in charts] == ALL
    for chart in charts:
        svg = ElementTree.fromstring(chart.svg)
        described = {child.tag.rpartition("}")[2]: child.text for child in svg}
        assert described["title"] == chart.title
        assert "gru.onnx" in (described["desc"] or "")
        ids = [element.attrib["id"] for element in svg.iter() if "id" in element.attrib]
        assert all(name.startswith(f"{chart.name}-") for name in ids)
        assert len(ids) == len(set(ids))


def test_what_was_not_measured_is_not_drawn() -> None:
    only = comparison(1)
    bare = replace(
        only.subjects[0].latency, state_bytes_at={"10": 0, "100": 0}, series=only.subjects[0].latency.series[:1]
    )
    subject = replace(only.subjects[0], latency=bare, quality=None)
    assert [chart.name for chart in draw_all(plain(Comparison((subject,))))] == ["percentiles", "histograms"]


def test_the_curve_goes_through_the_quantiles() -> None:
    series = comparison(1).to_dict()["subjects"][0]["latency"]["series"][0]
    places, times = curve(series)
    for name, share in (("p50", 0.5), ("p90", 0.9)):
        at = float(np.interp(place(share), places, times))
        assert at == pytest.approx(series["quantiles"][name]["median_ns"], rel=0.02)


def test_a_histogram_loses_no_sample() -> None:
    series = comparison(1).to_dict()["subjects"][0]["latency"]["series"][0]
    edges = np.geomspace(series["histogram_lows_ns"][0], series["histogram_highs_ns"][-1], 30)
    assert shares(series, edges).sum() == pytest.approx(100)


def test_many_subjects_look_different() -> None:
    assert len({look(index) for index in range(len(COLOURS) * len(MARKERS))}) == len(COLOURS) * len(MARKERS)


def test_without_matplotlib_it_says_what_to_install_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(NotInstalled, match=r"pip install 'edgeseq\[bench\]'"):
        check_report(tmp_path / "out.html")
