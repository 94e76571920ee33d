"""Where boxes stand: in rows from the inputs down, each below all that it takes from, branches side by side.

The steps are Sugiyama's: rows by longest way, a bend in every row that a line crosses, orders within rows by the mean
place of neighbours, then places that follow the neighbours as far as the order and the widths allow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

_GAP, _SWEEPS = 28.0, 8
_BEND = 10.0


@dataclass(frozen=True)
class Layout:
    """Centres along x of every box and bend, the row of each, and the bends of every line."""

    x: Mapping[Any, float]
    row: Mapping[Any, int]
    bends: Mapping[tuple[Any, Any], Sequence[Any]]


def layout(widths: Mapping[Any, float], lines: Sequence[tuple[Any, Any]]) -> Layout:
    """Places for boxes of these widths, given in an order of data, and for the lines between them."""
    row = _rows(list(widths), lines)
    bends = {line: [(*line, at) for at in range(row[line[0]] + 1, row[line[1]])] for line in lines}
    row = {**row, **{bend: bend[2] for chain in bends.values() for bend in chain}}
    pieces = [piece for line, chain in bends.items() for piece in _pieces([line[0], *chain, line[1]])]
    sizes = {key: widths.get(key, _BEND) for key in row}
    ranks: list[list[Any]] = [[] for _ in range(max(row.values()) + 1)]
    for key, at in row.items():
        ranks[at].append(key)
    near = _neighbours(pieces, row)
    _order(ranks, near)
    return Layout(_places(ranks, near, sizes), row, bends)


def _rows(keys: list[Any], lines: Sequence[tuple[Any, Any]]) -> dict[Any, int]:
    row = dict.fromkeys(keys, 0)
    changed = True
    while changed:
        changed = False
        for one, other in lines:
            if row[other] <= row[one]:
                row[other], changed = row[one] + 1, True
    return row


def _pieces(chain: Sequence[Any]) -> list[tuple[Any, Any]]:
    return list(pairwise(chain))


def _neighbours(pieces: Sequence[tuple[Any, Any]], row: Mapping[Any, int]) -> dict[Any, tuple[list[Any], list[Any]]]:
    near: dict[Any, tuple[list[Any], list[Any]]] = {key: ([], []) for key in row}
    for one, other in pieces:
        near[one][1].append(other)
        near[other][0].append(one)
    return near


def _order(ranks: list[list[Any]], near: Mapping[Any, tuple[list[Any], list[Any]]]) -> None:
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for rank in ranks if down else reversed(ranks):
            place = {key: i for other in ranks for i, key in enumerate(other)}
            rank.sort(key=lambda key: _mean([float(place[n]) for n in near[key][0 if down else 1]], float(place[key])))


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _places(
    ranks: list[list[Any]], near: Mapping[Any, tuple[list[Any], list[Any]]], sizes: Mapping[Any, float]
) -> dict[Any, float]:
    x: dict[Any, float] = {}
    for rank in ranks:
        at = 0.0
        for key in rank:
            x[key], at = at + sizes[key] / 2, at + sizes[key] + _GAP
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for rank in ranks if down else reversed(ranks):
            wanted = [_mean([x[n] for n in near[key][0 if down else 1]], x[key]) for key in rank]
            x.update(zip(rank, _apart(wanted, [sizes[key] for key in rank]), strict=True))
    least = min(x[key] - sizes[key] / 2 for key in x)
    return {key: value - least for key, value in x.items()}


def _apart(wanted: Sequence[float], sizes: Sequence[float]) -> list[float]:
    """The places nearest to those wanted, on the mean, that keep the order and do not overlap.

    Boxes that touch move as one, to the mean of what they want.
    """
    offsets = [0.0]
    for one, other in pairwise(sizes):
        offsets.append(offsets[-1] + (one + other) / 2 + _GAP)
    groups: list[tuple[float, int]] = []
    for want, offset in zip(wanted, offsets, strict=True):
        mean, count = want - offset, 1
        while groups and groups[-1][0] > mean:
            before, more = groups.pop()
            mean, count = (mean * count + before * more) / (count + more), count + more
        groups.append((mean, count))
    moved = [mean for mean, count in groups for _ in range(count)]
    return [mean + offset for mean, offset in zip(moved, offsets, strict=True)]
