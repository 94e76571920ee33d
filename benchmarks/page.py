"""The page ``docs/figures.md``, made from the results in ``benchmarks/results``."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.result import Figure, Result, shown

HEAD = """\
# Figures

Made by `python -m benchmarks.figures`, which runs every script at its default size; the numbers behind each table are
in `benchmarks/results`. A figure is the median over fresh processes that take turns, its range their least and
greatest value; a step is the median of one process's steps.
"""


def page(results: Sequence[Result]) -> str:
    """The text of the page. ValueError where the results do not come from one machine with the same versions."""
    first = results[0]
    for result in results[1:]:
        if (result.machine, result.versions) != (first.machine, first.versions):
            raise ValueError(f"{result.script} ran on another machine or with other versions than {first.script}")
    return "\n".join([HEAD, _made_by(results), *map(_section, results)])


def _made_by(results: Sequence[Result]) -> str:
    machine, versions = results[0].machine, results[0].versions
    cores = f"{machine['usable_cores']} of {machine['cores']} cores"
    busiest = max(result.others_cores for result in results)
    return (
        f"- Machine: {machine['cpu']}, {machine['architecture']}, {cores}, {machine['system']}; shared: other programs"
        f" kept up to {busiest:.1f} cores busy meanwhile\n"
        f"- Versions: {', '.join(f'{name} {version}' for name, version in versions.items())}\n"
        f"- Date: {max(result.date for result in results)}\n"
    )


def _section(result: Result) -> str:
    settings = ", ".join(
        f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}" for name, value in result.settings.items()
    )
    rows = [_row(figure) for figure in result.figures]
    doubts = "".join(f"\nDoubtful: {doubt}.\n" for doubt in result.doubts)
    return "\n".join(
        [
            f"## {result.title}\n",
            f"{result.about}\n",
            f"Again: `python -m benchmarks.{result.script}` ({settings})\n",
            "| figure | wanted | median | range | |",
            "| --- | --- | ---: | ---: | --- |",
            *rows,
            doubts,
        ]
    )


def _row(figure: Figure) -> str:
    found, unit = figure.found, "" if figure.unit == "ratio" else f" {figure.unit}"
    times = "x" if figure.unit == "ratio" else ""
    wanted = "" if figure.wanted is None else f"{figure.wanted}{times}{unit}"
    verdict = {None: "", True: "holds", False: "**missed**"}[figure.holds]
    median, least, most = (f"{shown(value)}{times}" for value in (found.median, found.least, found.most))
    return f"| {figure.name} | {wanted} | {median}{unit} | {least} to {most} | {verdict} |"
