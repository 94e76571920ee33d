"""What every benchmark script has: its options, the processes that it compares, and its report."""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.alternate import Comparison, alternate
from benchmarks.others import Others
from benchmarks.result import Figure, Result, shown, wanted_text
from edgeseq.runtime.measuring.machine import machine, versions


@dataclass(frozen=True)
class Script:
    """The benchmark in the module ``benchmarks.NAME``.

    ``files`` are the ways to write what is measured into a folder, by name, the usual one first. ``measure`` takes a
    subject, that folder and the number of steps in a process of its own, and returns what this one found, each figure
    with its unit in the name; ``figures`` makes of all processes' figures what is reported.
    """

    name: str
    title: str
    about: str
    subjects: Sequence[str]
    measure: Callable[[str, Path, int], Mapping[str, float]]
    figures: Callable[[Comparison], tuple[Figure, ...]]
    runs: int
    steps: int = 1
    files: Mapping[str, Callable[[Path], object]] = field(default_factory=dict)


def main(script: Script) -> None:
    """Compare, print and, with ``--json``, save; or measure one subject, where a comparison asks for it."""
    arguments = _parser(script).parse_args()
    if arguments.subject:
        found = script.measure(arguments.subject, arguments.folder, arguments.steps)
        sys.stdout.write(f"\n{json.dumps(dict(found))}\n")
        return
    result = compare(script, arguments.runs, arguments.steps, getattr(arguments, "graph", None))
    sys.stdout.write(_text(result))
    if arguments.json:
        arguments.json.write_text(result.to_json(), encoding="utf-8")


def compare(script: Script, runs: int, steps: int, graph: str | None) -> Result:
    """Write the files, run every subject ``runs`` times, and gather the result."""
    others = Others()
    with tempfile.TemporaryDirectory() as folder:
        if graph is not None:
            script.files[graph](Path(folder))
        command = ["-m", f"benchmarks.{script.name}", "--folder", folder, "--steps", str(steps), "--subject"]
        comparison = alternate({subject: [*command, subject] for subject in script.subjects}, runs)
    settings: dict[str, int | str] = {"runs": runs}
    if script.steps > 1:
        settings["steps"] = steps
    if graph is not None and len(script.files) > 1:
        settings["graph"] = graph
    return Result(
        script=script.name,
        title=script.title,
        about=script.about,
        settings=settings,
        figures=script.figures(comparison),
        values=comparison.values,
        machine=machine(),
        versions={**versions(), **_exporting_versions()},
        others_cores=round(others.cores(), 2),
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
    )


def _parser(script: Script) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{script.name}",
        description=script.about,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--runs", type=int, default=script.runs, help="processes per thing compared")
    hidden = None if script.steps > 1 else argparse.SUPPRESS
    parser.add_argument("--steps", type=int, default=script.steps, help=hidden or "timed steps of one process")
    if script.files:
        several = "the file to measure" if len(script.files) > 1 else argparse.SUPPRESS
        parser.add_argument("--graph", choices=list(script.files), default=next(iter(script.files)), help=several)
    parser.add_argument("--json", type=Path, help="write the result to this file too")
    parser.add_argument("--subject", choices=list(script.subjects), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser


def _exporting_versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in ("torch", "onnx", "onnxscript")}


def _text(result: Result) -> str:
    lines = [result.title]
    for figure in result.figures:
        found = figure.found
        line = f"  {figure.name:46} {shown(found.median):>8} {figure.unit:6}"
        line += f" ({shown(found.least)} to {shown(found.most)})"
        if figure.wanted is not None:
            line += f"   wanted: {wanted_text(figure)}{'' if figure.holds else ', MISSED'}"
        lines.append(line)
    lines += [f"  doubtful: {doubt}" for doubt in result.doubts]
    return "\n".join(lines) + "\n"
