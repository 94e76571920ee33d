"""The page ``docs/peers.md``, made from a stored result."""

from __future__ import annotations

import statistics
from collections.abc import Iterable

from benchmarks.page import made_by, wrapped
from benchmarks.peers.cases import CASES
from benchmarks.peers.parts import parts
from benchmarks.peers.result import Result, Subject
from benchmarks.peers.standing import BASE, base_of, time_standing
from benchmarks.peers.wins import wins

HEAD = """\
# Peers: other engines on the same weights

`python -m benchmarks.peers all` makes this page: it installs the engines, each in a virtual environment of its own,
prepares their files, compares their answers with PyTorch's, times them, and gathers evidence. The numbers are in
`benchmarks/results/peers.json`. `make peers` is the same.

A step takes one frame as a numpy array and gives the answer as one, batch 1. All engines have one thread, float32
and the weights of the same seed. The networks are those of `benchmarks/models.py`: recurrent layers over 64 features
with a linear head of 32, and a GPT of six layers, 384 wide, over 65 characters, at a position. Every process is fresh
and holds one engine and one network; in each round all take part in a random order. *Back to back*: each step follows
the last. *Paced*: one step per {period_ms:g} ms, timed from the moment it was due, the waking of the process included.
A GPT's steps are those around its position; then the stream goes back, untimed. What is before the position is read
from a file, which counts in load and memory.

A value is the median across processes. *Against edgeseq*: the engine's p50 back to back over edgeseq's, pair by pair of
the same round. "no visible difference": the interval of 99 % holds 1 or, below eight rounds, the rounds disagree.
Import is what comes on top of numpy. Memory is the peak of the process. An engine is timed where its answers are within
{tolerance:g} of the largest one from PyTorch's whole-sequence run; how far they are is in the tables.
"""


def page(result: Result) -> str:
    """The text of the page."""
    head = HEAD.format(period_ms=result.settings["period_ns"] / 1e6, tolerance=result.settings["tolerance"])
    made = made_by(result.machine, result.versions, result.others_cores, result.date)
    sections = [_engines(result), _overview(result), *(_case(result, slug) for slug in _cases(result))]
    return "\n".join([head, made, _settings(result), *sections, wins(result), parts(result)]).rstrip() + "\n"


def _cases(result: Result) -> list[str]:
    there = {subject.case for subject in result.subjects}
    return [slug for slug in CASES if slug in there]


def _settings(result: Result) -> str:
    given = result.settings
    counts = [len(item.series["back_to_back"]["counts"]) for item in result.subjects if item.series]
    text = (
        f"- Settings: {max(counts, default=0)} processes of each engine and network, at least"
        f" {min(counts, default=0)} of what takes long;"
        f" {given['steps']:,} steps back to back ({given['gpt_steps']:,} of the GPT), {given['paced_steps']:,} paced on"
        f" {_names(given['paced'])}; {given['warmup']} steps before them"
    )
    return wrapped(text, "  ") + "\n"


def _names(slugs: Iterable[str]) -> str:
    found = [CASES[slug].name for slug in slugs]
    return "every network" if len(found) == len(CASES) else ", ".join(found) or "none"


def _engines(result: Result) -> str:
    lines = [
        "## Engines\n",
        "*Installed*: the packages that a step needs with all that they depend on, on disk. *Memory*: of a process",
        "that has imported them and no more.\n",
        "| engine | version | installed | packages | import | memory |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for module, engine in result.engines.items():
        timed = [item for item in result.subjects if item.engine == module and item.refused is None]
        cells = [
            engine["name"],
            _version(module, engine["versions"]) or engine["missing"] or "",
            _size(engine["bytes"]),
            str(len(engine["versions"]) or ""),
            _ms(_middle(timed, "import_ns")),
            _mib(_middle(timed, "imported_rss_bytes")),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _middle(subjects: Iterable[Subject], figure: str) -> float | None:
    """The median of a figure over all processes of all networks."""
    values = [value for item in subjects for value in item.figures.get(figure, ()) if value is not None]
    return statistics.median(values) if values else None


def _version(module: str, versions: dict[str, str]) -> str:
    from benchmarks.peers.table import ENGINES

    first = ENGINES[module].packages[0]
    return f"{first} {versions[first]}" if first in versions else ""


def _overview(result: Result) -> str:
    engines = [module for module in result.engines if module != "silero_wrapper"]
    lines = [
        "## p50 back to back, in microseconds\n",
        f"| | {' | '.join(result.engines[module]['name'] for module in engines)} |",
        f"| --- |{' ---: |' * len(engines)}",
    ]
    for slug in _cases(result):
        found = {item.engine: item.median_ns("back_to_back", "p50") for item in result.of(slug)}
        best = min((value for value in found.values() if value is not None), default=None)
        cells = [_bold(_us(found.get(module)), found.get(module) == best) for module in engines]
        if CASES[slug].kind != "Silero":
            lines.append(f"| {CASES[slug].name} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _bold(text: str, best: bool) -> str:
    return f"**{text}**" if best and text else text


def _case(result: Result, slug: str) -> str:
    lines = [
        f"## {CASES[slug].name}\n",
        "| engine | p50 | p99 | paced p50 | paced p99 | against edgeseq | load | memory | from PyTorch |",
        "| --- | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    subjects = result.of(slug)
    lines += [_row(result, item) for item in subjects if item.refused is None]
    missing = [
        f"- {result.engines[item.engine]['name']}: not available: {item.refused}" for item in subjects if item.refused
    ]
    return "\n".join([*lines, "", *(wrapped(line, "  ") for line in missing), *([""] if missing else [])])


def _row(result: Result, item: Subject) -> str:
    cells = [
        result.engines[item.engine]["name"],
        *(_us(item.median_ns(mode, quantile)) for mode in ("back_to_back", "paced") for quantile in ("p50", "p99")),
        against(result, item),
        _ms(item.figure("load_ns")),
        _mib(item.figure("peak_rss_bytes")),
        f"{item.answers['furthest']:.0e}",
    ]
    return f"| {' | '.join(cells)} |"


def against(result: Result, item: Subject) -> str:
    """How many times edgeseq's p50, with the interval or the verdict."""
    base = base_of(result, item.case)
    if item.engine == BASE or base is None:
        return ""
    found = time_standing(item, base, "back_to_back", "p50")
    if found is None:
        return ""
    if not found.sure:
        return f"{found.ratio:.2f}x, no visible difference"
    return f"{found.ratio:.2f}x ({found.interval})"


def _us(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value / 1e3:,.0f}" if value >= 1e5 else f"{value / 1e3:.1f}"


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value / 1e6:,.0f} ms"


def _mib(value: float | None) -> str:
    return "" if value is None else f"{value / 2**20:,.0f} MiB"


def _size(value: float | None) -> str:
    return "" if value is None else f"{value / 1e6:,.0f} MB"
