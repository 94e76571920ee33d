"""A page of figures in ``docs``, made from the results in ``benchmarks/results``."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.result import Figure, Result, shown, wanted_text

HEAD = """\
# {title}

Made by `python -m benchmarks.figures{argument}`, which runs its scripts at their default size; the numbers behind
each table are in `benchmarks/results`. A figure is the median over fresh processes that take turns, its range their
least and greatest value; a step is the median of one process's steps. onnxruntime's telemetry is off in all of them.
"""


TITLES = {
    "figures": "Figures",
    "quantized": "Figures of quantized files",
    "lab": "Figures of the lab itself",
    "served": "Figures of the servers",
}


def page(name: str, results: Sequence[Result]) -> str:
    """The text of the page of this name. ValueError where results come from several machines or versions."""
    first = results[0]
    for result in results[1:]:
        if (result.machine, result.versions) != (first.machine, first.versions):
            raise ValueError(f"{result.script} ran on another machine or with other versions than {first.script}")
    head = HEAD.format(title=TITLES[name], argument="" if name == "figures" else f" {name}")
    busiest = max(result.others_cores for result in results)
    made = made_by(first.machine, first.versions, busiest, max(result.date for result in results))
    return "\n".join([head, made, *map(_section, results)])


def made_by(machine: Mapping[str, Any], versions: Mapping[str, str], others_cores: float, date: str) -> str:
    """Lines that say what figures were measured on; ``others_cores`` is how many cores other programs kept busy."""
    lines = [
        f"- Machine: {machine['cpu']}, {machine['architecture']}, {machine['usable_cores']} of {machine['cores']}"
        f" cores, {machine['system']}; other programs kept up to {others_cores:.1f} cores busy",
        f"- Versions: {', '.join(f'{name} {version}' for name, version in versions.items())}",
        f"- Date: {date}",
    ]
    return "\n".join(wrapped(line, "  ") for line in lines) + "\n"


def _section(result: Result) -> str:
    settings = ", ".join(f"{name} {_setting(value)}" for name, value in result.settings.items())
    doubts = [f"- Doubtful: {doubt}" for doubt in result.doubts]
    return "\n".join(
        [
            f"## {result.title}\n",
            f"{wrapped(result.about)}\n",
            f"Again: `python -m benchmarks.{result.script}` ({settings})\n",
            "| figure | wanted | median | range | |",
            "| --- | --- | ---: | ---: | --- |",
            *map(_row, result.figures),
            "",
            *([*doubts, ""] if doubts else []),
        ]
    )


def _setting(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _row(figure: Figure) -> str:
    found = figure.found
    times, unit = ("x", "") if figure.unit == "ratio" else ("", f" {figure.unit}")
    verdict = {None: "", True: "holds", False: "**missed**"}[figure.holds]
    median, least, most = (f"{shown(value)}{times}" for value in (found.median, found.least, found.most))
    return f"| {figure.name} | {wanted_text(figure)} | {median}{unit} | {least} to {most} | {verdict} |"


def wrapped(text: str, indent: str = "") -> str:
    """A paragraph in lines of at most 120 characters; ``indent`` is before all but the first."""
    return textwrap.fill(text, 120, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
