"""Charts and tables as HTML. Every name in them is escaped: it may come from a file that nobody trusts."""

from __future__ import annotations

import base64

from edgeseq.lab.report.charts.chart import Chart
from edgeseq.lab.report.style import INK, Look, escaped
from edgeseq.lab.report.tables import Cell, Table

#: Characters of a note that stays on one line.
_SHORT = 24
#: Markers as paths around the middle of a swatch, as matplotlib draws them.
_SHAPES = {
    "o": "M-3 0a3 3 0 1 0 6 0a3 3 0 1 0 -6 0z",
    "s": "M-3-3h6v6h-6z",
    "^": "M0-3.4L3.4 3H-3.4z",
    "v": "M0 3.4L3.4-3H-3.4z",
    "D": "M0-3.8L3.8 0L0 3.8L-3.8 0z",
    "P": "M-1.2-3.6h2.4v2.4h2.4v2.4h-2.4v2.4h-2.4v-2.4h-2.4v-2.4h2.4z",
    "X": "M-3.6-2L-2-3.6L0-1.6L2-3.6L3.6-2L1.6 0L3.6 2L2 3.6L0 1.6L-2 3.6L-3.6 2L-1.6 0z",
    "*": "M0-4.2L1.1-1.3L4-1.3L1.7.6L2.5 3.5L0 1.8L-2.5 3.5L-1.7.6L-4-1.3L-1.1-1.3z",
}


def chart_of(chart: Chart) -> str:
    """A figure with its heading, its legend beside no data, and its caption."""
    entries = "".join(f"<li>{_swatch(look)}<span>{escaped(name)}</span></li>" for name, look in chart.legend)
    return (
        f'<figure id="{chart.name}">\n<h2>{escaped(chart.title)}</h2>\n{chart.svg}\n'
        f'<ul class="legend">{entries}</ul>\n<figcaption>{escaped(chart.caption)}</figcaption>\n</figure>'
    )


def table_of(table: Table, self_check: str) -> str:
    """A table that scrolls sideways within the page, the self-check's sentence, and its CSV as a link."""
    lines = _turned(table) if table.turned else _straight(table)
    below = (*table.notes, *((self_check,) if table.measured else ()))
    checked = "".join(f'<p class="check">{escaped(line)}</p>\n' for line in below)
    link = base64.b64encode(table.to_csv().encode()).decode()
    return (
        f'<section id="table-{table.name}">\n<h2>{escaped(table.title)}</h2>\n'
        f'<div class="scroll" role="region" aria-label="{escaped(table.title)}" tabindex="0">\n<table>\n'
        f"{lines}</table>\n</div>\n{checked}"
        f'<p class="csv"><a download="{table.name}.csv" href="data:text/csv;charset=utf-8;base64,{link}">'
        f"{table.name}.csv</a></p>\n</section>"
    )


def _straight(table: Table) -> str:
    head = "".join(f'<th scope="col">{escaped(column)}</th>' for column in table.columns)
    head = f"<thead><tr>{head}</tr></thead>\n" if any(table.columns) else ""
    rows = "".join(f"<tr>{_head(row[0])}{''.join(map(_cell, row[1:]))}</tr>\n" for row in table.rows)
    return f"{head}<tbody>\n{rows}</tbody>\n"


def _turned(table: Table) -> str:
    """Subjects as columns."""
    head = "".join(f'<th scope="col">{escaped(row[0].text)}</th>' for row in table.rows)
    lines = [
        f'<tr><th scope="row">{escaped(column)}</th>{"".join(_cell(row[index]) for row in table.rows)}</tr>\n'
        for index, column in enumerate(table.columns)
        if index
    ]
    return f"<thead><tr><td></td>{head}</tr></thead>\n<tbody>\n{''.join(lines)}</tbody>\n"


def _head(cell: Cell) -> str:
    return f'<th scope="row">{escaped(cell.text)}</th>'


def _cell(cell: Cell) -> str:
    long = ' class="long"' if cell.note and len(cell.note) > _SHORT else ""
    note = f"<small{long}>{escaped(cell.note)}</small>" if cell.note else ""
    return f"<td>{escaped(cell.text)}{note}</td>"


def _swatch(look: Look) -> str:
    """A piece of the line with its marker."""
    colour = "currentColor" if look.colour == INK else look.colour
    dash = f' stroke-dasharray="{" ".join(f"{part * 1.6:g}" for part in look.dash)}"' if look.dash else ""
    line = f'<path d="M1 6H31" stroke="{colour}" stroke-width="2"{dash}/>'
    shape = _SHAPES.get(look.marker)
    marker = f'<path d="{shape}" transform="translate(16 6)" fill="{colour}"/>' if shape else ""
    return f'<svg viewBox="0 0 32 12" width="32" height="12" aria-hidden="true">{line}{marker}</svg>'
