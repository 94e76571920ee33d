"""``edgeseq tune``: the form of a file, and the way to open it, that are best on this machine."""

from __future__ import annotations

import json
import statistics
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeseq.cli import libraries, options
from edgeseq.cli.durations import format_duration, parse_duration
from edgeseq.cli.files import say, write_report
from edgeseq.cli.sizes import parse_decibels, parse_size
from edgeseq.cli.tables import WIDTH, table
from edgeseq.cli.terminal import stages
from edgeseq.errors import UsageError

if TYPE_CHECKING:
    from edgeseq.quantization import Tuned


def _size(text: str) -> float:
    if not any(sign.isalpha() for sign in text):
        raise UsageError("a size needs its unit", got=repr(text), wanted="as in 2MB, 64KiB or 500B")
    return parse_size(text)


#: How the limits of ``--subject-to`` are read.
_READ: Mapping[str, Callable[[str], float]] = {
    "size": _size,
    "sqnr": parse_decibels,
    "memory": _size,
    "p50": parse_duration,
    "p99": parse_duration,
}


def parse_limits(text: str) -> dict[str, float]:
    """The limits in ``size=2MB,sqnr=30dB``; UsageError for one that there is not, that stands twice or has no unit."""
    found: dict[str, float] = {}
    for part in text.split(","):
        name, value = options.assignment(part)
        if name not in _READ:
            raise UsageError("unknown constraint", got=repr(name), wanted=f"one of {', '.join(_READ)}")
        if name in found:
            raise UsageError(f"the constraint {name} stands twice", wanted="once")
        found[name] = _READ[name](value)
    return found


@click.command()
@options.onnx_file
@click.option("-o", "--output", type=options.FILE, metavar="T.ONNX", help="The file to write; M.tuned.onnx by default.")
@click.option(
    "--minimize",
    required=True,
    metavar="WHAT",
    help="What is to be least: p50 or p99 of a step, size of the file, memory of the process.",
)
@click.option(
    "--subject-to",
    callback=options.parsed(parse_limits),
    metavar="LIMITS",
    help="What has to hold, as in size=2MB,sqnr=30dB: at most so much size, memory, p50 or p99 (10ms), at least so "
    "much sqnr, the signal to noise of every output.",
)
@click.option(
    "--period",
    callback=options.parsed(parse_duration),
    metavar="DURATION",
    help="Time from step to step, from when each was due to its answer; without it steps follow each other at once.",
)
@click.option("--batch", type=options.COUNT, metavar="N", help="Streams in lock-step; 1 by default.")
@options.data
@click.option("--runs", type=options.COUNT, metavar="N", help="Fresh processes of each candidate; 6 by default.")
@click.option(
    "--steps", type=options.COUNT, metavar="N", help="Steps of each process; as many as the quantiles need by default."
)
@options.json_report
def tune(
    path: Path,
    output: Path | None,
    minimize: str,
    subject_to: dict[str, float] | None,
    period: float | None,
    batch: int | None,
    data: Path | None,
    runs: int | None,
    steps: int | None,
    json_path: str | None,
) -> None:
    """Try a float file, its quantized forms and threads on this machine, and write what is best.

    M.ONNX is a verified float file; PyTorch is not needed. Every candidate is measured in fresh processes that take
    turns; it takes the place of the float file at one thread only where all its processes are better. What was tried is
    told in a table. The file that is written has its session settings in it: on this machine it is opened with them.
    """
    library = libraries.quantization()
    chosen = options.given(period=period, batch=batch, runs=runs, steps=steps)
    if data is not None:
        from edgeseq.cli.data import read_samples

        chosen["calibration"] = read_samples(data, path)
    with stages(f"reading {path}") as progress:
        tuned: Tuned = library.tune(path, output, minimize=minimize, subject_to=subject_to, **chosen, progress=progress)
    say(describe(path, tuned), json_path)
    write_report(json.loads(tuned.to_json()), json_path)


def describe(path: Path, tuned: Tuned) -> str:
    """What was tried and what was found, as text."""
    settings, opened = tuned.settings, tuned.written["session"]
    pace = "back to back" if settings["period"] is None else f"every {format_duration(settings['period'])}"
    threads = f"{opened['threads']} thread{'' if opened['threads'] == 1 else 's'}"
    threads += "" if opened["threads"] == 1 or opened["spinning"] else ", no spinning"
    lines = [
        f"{path}: {settings['runs']} processes of each, {settings['steps']:,} steps {pace}, batch {settings['batch']}",
        f"{tuned.machine['cpu']}, usable cores: {tuned.machine['usable_cores']}, "
        f"onnxruntime {tuned.versions['onnxruntime']}",
        "",
        *table(
            ["tried", "threads", "size", "SQNR", "p50", "p99", "memory", "ratio", "verdict"],
            [_row(row) for row in tuned.tried],
        ),
        "",
        *_reasons(tuned.tried),
        "",
        *textwrap.wrap(tuned.sentence, WIDTH),
        *(f"doubt: {text}" for text in tuned.doubts),
        "",
        f"written: {tuned.written['path']}, {tuned.written['bytes']:,} bytes, opened with {threads} here",
    ]
    return "\n".join(lines)


def _row(row: Mapping[str, Any]) -> list[str]:
    from edgeseq.quantization.tuning.wishes import in_words

    def told(name: str, values: Sequence[float]) -> str:
        return in_words(name, statistics.median(values), digits=3) if values else "-"

    return [
        row["form"],
        _threads(row),
        told("size", [] if row["size_bytes"] is None else [row["size_bytes"]]),
        "-" if row["sqnr_db"] is None else f"{row['sqnr_db']:.0f} dB",
        told("p50", row["p50_us"]),
        told("p99", row["p99_us"]),
        told("memory", row["memory_bytes"]),
        "-" if row["ratio"] is None else f"{row['ratio']:.2f}",
        row["verdict"],
    ]


def _threads(row: Mapping[str, Any]) -> str:
    return str(row["threads"]) if row["threads"] == 1 or row["spinning"] else f"{row['threads']} idle"


def _reasons(tried: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why each candidate got its verdict, those with the same reason in one line."""
    found: dict[str, list[str]] = {}
    for row in tried:
        found.setdefault(row["why"].rstrip("."), []).append(f"{row['form']} ({_threads(row)})")
    texts = [f"{why}: {'; '.join(names)}" for why, names in found.items()]
    return [line for text in texts for line in textwrap.wrap(text, WIDTH, subsequent_indent="    ")]
