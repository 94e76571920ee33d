"""The page: HTML made from charts and tables. No script, no request, and a policy in it that forbids both."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

import edgeseq
from edgeseq.lab.findings import Finding
from edgeseq.lab.report.charts import draw_all
from edgeseq.lab.report.markup import chart_of, table_of
from edgeseq.lab.report.method import method, sources
from edgeseq.lab.report.style import escaped
from edgeseq.lab.report.tables import make_tables

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p>{lead}</p>
</header>
<main>
{body}
</main>
<footer>
<p>Made by edgeseq {version}. Figures are of this machine and of no other.</p>
</footer>
</body>
</html>
"""


def page(document: dict[str, Any], findings: Sequence[tuple[str, Finding]], self_check: str) -> str:
    """The whole page; ``document`` is a comparison's plain values, ``self_check`` a sentence for every table."""
    tables = {table.name: table_of(table, self_check) for table in make_tables(document)}
    parts = [
        _sentences("Budgets", [escaped(sentence) for sentence in document["sentences"]]),
        tables.pop("latency", ""),
        _sentences("Findings", _findings(findings)),
        *_charts(document),
        *(tables.pop(name) for name in ("differences", "positions", "costs", "floor", "readings") if name in tables),
        _method(document, self_check),
        *tables.values(),
    ]
    return _PAGE.format(
        policy=_POLICY,
        title=escaped(_title(document)),
        style=_style(),
        lead=escaped(_lead(document)),
        body="\n".join(part for part in parts if part),
        version=escaped(edgeseq.__version__),
    )


def _charts(document: dict[str, Any]) -> list[str]:
    charts = [chart_of(chart) for chart in draw_all(document)]
    return ['<section aria-label="Charts" class="charts">', *charts, "</section>"] if charts else []


def _title(document: dict[str, Any]) -> str:
    names = [subject["name"] for subject in document["subjects"]]
    return f"Latency of {' and '.join(names)}" if len(names) <= 2 else f"Latency of {len(names)} compared"


def _lead(document: dict[str, Any]) -> str:
    machine = document["machine"]
    cores, versions = machine.get("usable_cores"), document["versions"]
    where = f"{machine.get('cpu') or 'unknown processor'}{f', {cores} cores' if cores else ''}"
    return f"{where}; onnxruntime {versions.get('onnxruntime')}. " + (
        "" if len(document["subjects"]) <= 2 else ", ".join(subject["name"] for subject in document["subjects"]) + "."
    )


def _findings(findings: Sequence[tuple[str, Finding]]) -> list[str]:
    """A line for each, by name; what is found of several subjects alike is said once."""
    about: dict[Finding, list[str]] = {}
    for subject, found in findings:
        about.setdefault(found, []).append(subject)
    names = list(dict.fromkeys(found.name for found in about))
    return [_finding(found, about[found]) for found in sorted(about, key=lambda found: names.index(found.name))]


def _finding(found: Finding, subjects: Sequence[str]) -> str:
    about = escaped(", ".join(filter(None, subjects)))
    return f"<strong>{escaped(found.name)}</strong> <em>{about}</em>: {escaped(found.sentence)}"


def _sentences(title: str, lines: Sequence[str]) -> str:
    """A list of lines that are markup already; nothing where there are none."""
    items = "\n".join(f"<li>{line}</li>" for line in dict.fromkeys(lines))
    return f"<section>\n<h2>{title}</h2>\n<ul>\n{items}\n</ul>\n</section>" if lines else ""


def _method(document: dict[str, Any], self_check: str) -> str:
    told = "\n".join(f"<p>{escaped(line)}</p>" for line in (*method(document), f"Self-check: {self_check}."))
    cited = "\n".join(f"<li>{escaped(source)}</li>" for source in sources())
    return f'<section>\n<h2>Method</h2>\n{told}\n<ul class="sources">\n{cited}\n</ul>\n</section>'


@cache
def _style() -> str:
    return resources.files("edgeseq.lab.report").joinpath("page.css").read_text(encoding="utf-8")
