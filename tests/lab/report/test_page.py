"""The page in a browser: no error, no request, every chart, no sideways scrolling on a phone, printable."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeseq.errors import UsageError
from edgeseq.lab.report import write_report
from tests.lab.report.browser import Page, browsing, command
from tests.lab.report.comparisons import comparison
from tests.lab.report.test_charts import ALL

_CHARTS = """[...document.querySelectorAll("figure > svg")].map(svg => ({
    name: svg.parentElement.id, width: svg.getBoundingClientRect().width, height: svg.getBoundingClientRect().height,
    texts: [...svg.querySelectorAll("text")].filter(text => text.getBoundingClientRect().width > 0).length,
    smallest: Math.min(...[...svg.querySelectorAll("text")].map(text => text.getBoundingClientRect().height)),
    outside: [...svg.querySelectorAll("text")].filter(text => {
        const inner = text.getBoundingClientRect(), outer = svg.getBoundingClientRect();
        return inner.left < outer.left - 2 || inner.right > outer.right + 2;
    }).length}))"""
_BEYOND = "document.documentElement.scrollWidth - window.innerWidth"
#: Names that would be markup, a script, a formula, a terminal's command; with letters that few fonts have; long.
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=http://example.invalid/x onerror=alert(1)>$\\frac\x1b模型' + "x" * 150,
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    executable = command()
    if executable is None:
        named = os.environ.get("EDGESEQ_BROWSER", "none")
        assert named == "none", f"{named} is gone: tests/lab/report/install.sh"
        pytest.skip("no Chromium; make unit installs one where it may")
    with browsing(executable) as page:
        yield page


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "out.html"
    write_report(comparison(2), path)
    return path


@pytest.mark.parametrize("width", [1280, 360])
def test_it_loads_without_error_or_request_and_shows_every_chart(browser: Page, report: Path, width: int) -> None:
    browser.open(report, width)
    charts = {chart["name"]: chart for chart in browser.evaluate(_CHARTS)}
    assert list(charts) == ALL
    for chart in charts.values():
        assert min(chart["width"], chart["height"]) > 100, chart
        assert chart["texts"] >= 4, chart
        assert chart["smallest"] >= 9, chart
        assert chart["outside"] == 0, chart
    assert browser.evaluate(_BEYOND) <= 0
    assert browser.evaluate("document.querySelectorAll('.check').length") >= 5
    assert (browser.errors(), browser.requests()) == ([], [])


def test_it_prints(browser: Page, report: Path) -> None:
    browser.open(report, 1280)
    printed = browser.pdf()
    assert printed.startswith(b"%PDF-")
    assert printed.count(b"/Type /Page\n") >= 3


def test_names_are_text_and_nothing_else(browser: Page, tmp_path: Path) -> None:
    write_report(comparison(2, names=HOSTILE), tmp_path / "out.html")
    browser.open(tmp_path / "out.html", 360)
    assert browser.evaluate("document.querySelectorAll('script, img').length") == 0
    assert browser.evaluate("document.querySelector('tbody th').textContent") == HOSTILE[0]
    assert browser.evaluate(_BEYOND) <= 0
    assert (browser.errors(), browser.requests()) == ([], [])


def test_the_browser_notices_errors_requests_and_overflow(browser: Page, tmp_path: Path) -> None:
    body = '<p style="width:2000px">wide<img src="other.png"><script>console.error(1); undefined.x</script>'
    (tmp_path / "bad.html").write_text(f'<meta name="viewport" content="width=device-width">{body}')
    browser.open(tmp_path / "bad.html", 360)
    assert len(browser.errors()) >= 2
    assert [address.rpartition("/")[2] for address in browser.requests()] == ["other.png"]
    assert browser.evaluate("document.documentElement.scrollWidth") > 360


def test_the_same_comparison_gives_the_same_bytes_and_a_small_page(report: Path, tmp_path: Path) -> None:
    write_report(comparison(2), tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == report.read_bytes()
    assert len(report.read_bytes()) < 600_000


def test_nothing_in_it_leads_elsewhere(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    assert "default-src 'none'" in text
    for name in ("http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"):
        text = text.replace(name, "")
    assert "http:" not in text
    assert "https:" not in text
    assert "<script" not in text


def test_what_cannot_be_written_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write into the folder"):
        write_report(comparison(1), tmp_path / "missing" / "out.html")
    assert not list(tmp_path.iterdir())
