"""The section of the page that names every engine that is better than edgeseq, by how much, and why."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.page import wrapped
from benchmarks.peers.cases import CASES
from benchmarks.peers.notes import note
from benchmarks.peers.result import Result
from benchmarks.peers.standing import Standing, standings

SAID = {
    "back_to_back p50": "p50 back to back",
    "back_to_back p99": "p99 back to back",
    "paced p50": "p50 paced",
    "paced p99": "p99 paced",
    "peak_rss_bytes": "peak memory",
    "import_ns": "import",
    "load_ns": "load",
}


def wins(result: Result) -> str:
    """Engine by engine."""
    found = [item for slug in CASES for item in standings(result, slug) if item.wins]
    lines = ["## Who is better than edgeseq, and why\n"]
    for module, engine in result.engines.items():
        mine = [item for item in found if item.subject.engine == module]
        sizes = _smaller(result, module)
        if mine or sizes:
            lines += [f"### {engine['name']}\n", *(_kind(module, kind, items) for kind, items in _by_kind(mine))]
            lines += [wrapped(f"- {sizes}", "  ")] if sizes else []
            lines.append("")
    if len(lines) == 1:
        lines.append("None is, on any row.\n")
    return "\n".join(lines)


def _by_kind(items: Sequence[Standing]) -> list[tuple[str, list[Standing]]]:
    kinds = dict.fromkeys(CASES[item.subject.case].kind for item in items)
    return [(kind, [item for item in items if CASES[item.subject.case].kind == kind]) for kind in kinds]


def _kind(module: str, kind: str, items: Sequence[Standing]) -> str:
    """The gaps on one kind of network, and why."""
    lines = []
    for what in dict.fromkeys(item.what for item in items):
        gaps = [_gap(item) for item in items if item.what == what]
        lines.append(wrapped(f"- {SAID[what]}: {'; '.join(gaps)}. {note(module, kind, what)}".rstrip(), "  "))
    return "\n".join(lines)


def _gap(item: Standing) -> str:
    unit, size = _unit(item.what)
    value, base = (f"{figure / size:.{0 if figure / size >= 100 else 1}f}" for figure in (item.value, item.base))
    return f"{CASES[item.subject.case].name} {value} against {base} {unit} ({item.ratio:.2f}x, {item.interval})"


def _unit(what: str) -> tuple[str, float]:
    if what.endswith("_bytes"):
        return "MiB", 2**20
    return ("ms", 1e6) if what.endswith("_ns") else ("us", 1e3)


def _smaller(result: Result, module: str) -> str:
    mine, base = result.engines[module]["bytes"], result.engines["edgeseq"]["bytes"]
    if module == "edgeseq" or mine is None or base is None or mine >= base:
        return ""
    return f"Installed: {mine / 1e6:,.0f} against {base / 1e6:,.0f} MB. {note(module, '*', 'bytes')}".rstrip()
