"""A network written as SVG: plain shapes and text, readable on light and on dark."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any
from xml.sax.saxutils import escape

from edgeseq.exporters.diagnosis.diagnose import Diagnosis
from edgeseq.exporters.diagnosis.picture.boxes import ROOM, Box, Network, network
from edgeseq.exporters.diagnosis.picture.layout import Layout, layout

_LINE, _CHARACTER, _PAD, _BETWEEN, _MARGIN = 16, 7.3, 10, 40, 24
_STYLE = """\
svg { background: #ffffff; }
text { font: 12px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1b1f24; }
rect { fill: #f6f8fa; stroke: #57606a; }
.end { fill: #ddf4ff; }
.refused { fill: #ffebe9; stroke: #cf222e; stroke-width: 2; }
.title { font-weight: bold; }
.small { fill: #57606a; }
.why { fill: #a40e26; }
.alike { fill: none; stroke-dasharray: 5 4; }
.ground { fill: #ffffff; stroke: none; }
path { fill: none; stroke: #57606a; }
marker path { fill: #57606a; stroke: none; }
@media (prefers-color-scheme: dark) {
  svg { background: #0d1117; }
  text { fill: #e6edf3; }
  rect { fill: #161b22; stroke: #8b949e; }
  .end { fill: #0c2d6b; }
  .refused { fill: #3c0d11; stroke: #ff7b72; }
  .small { fill: #9da7b1; }
  .why { fill: #ffa198; }
  .alike { fill: none; }
  .ground { fill: #0d1117; }
  path { stroke: #8b949e; }
  marker path { fill: #8b949e; }
}"""


def drawn(found: Diagnosis) -> str:
    """The picture of a model: boxes in rows, from the inputs down, with delay and ratio on the lines between them."""
    return _Picture(network(found), found.name).text()


class _Picture:
    def __init__(self, net: Network, name: str) -> None:
        self.net, self.name = net, name
        self.at: Layout = layout({key: _width(box) for key, box in net.boxes.items()}, list(net.lines))
        heights = [0.0] * (max(self.at.row.values()) + 1)
        for key, box in net.boxes.items():
            heights[self.at.row[key]] = max(heights[self.at.row[key]], _height(box))
        self.heights, self.tops = heights, [_MARGIN + sum(heights[:i]) + _BETWEEN * i for i in range(len(heights))]

    def text(self) -> str:
        width = max(self.at.x[key] + _width(box) / 2 for key, box in self.net.boxes.items()) + 2 * _MARGIN + 90
        height = self.tops[-1] + self.heights[-1] + _MARGIN
        parts = [*self._folds(), *self._lines(), *self._boxes(), *self._labels()]
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
                f'viewBox="0 0 {width:.0f} {height:.0f}">',
                f"<title>{escape(self.name)}</title>",
                f"<style>\n{_STYLE}\n</style>",
                '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
                'orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>',
                f'<rect class="ground" width="{width:.0f}" height="{height:.0f}"/>',
                *parts,
                "</svg>\n",
            ]
        )

    def _corner(self, key: Any) -> tuple[float, float]:
        """Left and top of a box, in the middle of its row."""
        box, row = self.net.boxes[key], self.at.row[key]
        top = self.tops[row] + (self.heights[row] - _height(box)) / 2
        return self.at.x[key] - _width(box) / 2 + _MARGIN, top

    def _boxes(self) -> Iterator[str]:
        for key, box in self.net.boxes.items():
            left, top = self._corner(key)
            shown = ' class="refused"' if box.reasons else ' class="end"' if box.end else ""
            yield (
                f'<rect{shown} x="{left:.1f}" y="{top:.1f}" width="{_width(box):.1f}" height="{_height(box):.1f}" '
                'rx="5"/>'
            )
            for number, (kind, line) in enumerate(_lines_of(box)):
                down = top + _PAD + _LINE * number + 11
                yield f'<text class="{kind}" x="{left + _PAD:.1f}" y="{down:.1f}">{escape(line)}</text>'

    def _points(self, line: tuple[Any, Any]) -> list[tuple[float, float]]:
        """From the lower edge of a box by its bends to the upper edge of another."""
        one, other = line
        left, top = self._corner(one)
        points = [(left + _width(self.net.boxes[one]) / 2, top + _height(self.net.boxes[one]))]
        for bend in self.at.bends[line]:
            x, row = self.at.x[bend] + _MARGIN, self.at.row[bend]
            points += [(x, self.tops[row]), (x, self.tops[row] + self.heights[row])]
        left, top = self._corner(other)
        return [*points, (left + _width(self.net.boxes[other]) / 2, top)]

    def _lines(self) -> Iterator[str]:
        for line in self.net.lines:
            points = self._points(line)
            path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
            for (x, y), (to_x, to_y) in pairwise(points):
                half = (y + to_y) / 2
                path += f"C{x:.1f} {half:.1f} {to_x:.1f} {half:.1f} {to_x:.1f} {to_y:.1f}"
            yield f'<path d="{path}" marker-end="url(#tip)"/>'

    def _labels(self) -> Iterator[str]:
        """The label of a line beside the middle of its last piece."""
        for line, label in self.net.lines.items():
            if label:
                (x, y), (to_x, to_y) = self._points(line)[-2:]
                beside = [one for one, other in self.net.lines if other == line[1] and self.net.lines[one, other]]
                down = (y + to_y) / 2 + 8 - 14 * beside.index(line[0])  # those that meet in a box: above each other
                place = f'x="{(x + to_x) / 2 + 7:.1f}" y="{down:.1f}"'
                yield f'<text class="small" {place}>{escape(label)}</text>'

    def _folds(self) -> Iterator[str]:
        """A frame around the boxes that stand for several alike modules, if nothing else stands within."""
        for fold in dict.fromkeys(box.fold for box in self.net.boxes.values() if box.fold):
            within = [key for key, box in self.net.boxes.items() if box.fold == fold]
            corners = [self._corner(key) for key in within]
            left, top = min(x for x, _ in corners) - 12, min(y for _, y in corners) - 24
            right = max(x + _width(self.net.boxes[key]) for key, (x, _) in zip(within, corners, strict=True)) + 12
            bottom = max(y + _height(self.net.boxes[key]) for key, (_, y) in zip(within, corners, strict=True)) + 14
            others = [self._corner(key) for key in self.net.boxes if key not in within]
            if not any(left < x < right and top < y < bottom for x, y in others):
                size = f'width="{right - left:.1f}" height="{bottom - top:.1f}"'
                yield f'<rect class="alike" x="{left:.1f}" y="{top:.1f}" {size} rx="8"/>'
                yield f'<text class="title" x="{left + 10:.1f}" y="{top + 16:.1f}">{escape(_number(fold))}</text>'


def _number(fold: str) -> str:
    """``x 12`` for ``layers.0-11``."""
    first, _, last = fold.rpartition(".")[2].partition("-")
    return f"x {int(last) - int(first) + 1}"


def _lines_of(box: Box) -> list[tuple[str, str]]:
    title = box.title if len(box.title) <= ROOM else f"...{box.title[3 - ROOM :]}"
    kind = [("small", box.kind[:ROOM])] if box.kind else []
    return [("title", title), *kind, *(("", line) for line in box.lines), *(("why", line) for line in box.reasons)]


def _width(box: Box) -> float:
    return max(len(line) for _, line in _lines_of(box)) * _CHARACTER + 2 * _PAD


def _height(box: Box) -> float:
    return _LINE * len(_lines_of(box)) + 2 * _PAD - 4
