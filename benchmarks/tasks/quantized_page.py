"""The page ``docs/quantization-tasks.md``, made from ``benchmarks/results/quantized_tasks.json``. Needs no torch."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.page import made_by, wrapped
from benchmarks.tasks.quantized import LEAST_DB, LEAST_SMALLER, MOST_LOST, Row, Tasks

HEAD = f"""\
# Quantization on real tasks

`python -m benchmarks.tasks --out DIR` trains a model of each cell and a Transformer on each data set, a few minutes of
one core each. Made from them by `python -m benchmarks.quantized_tasks --trained DIR --json OUT` (here
`benchmarks/results/quantized_tasks.json`) and `--page`. Every kind is calibrated on a few dozen examples of training
data and scored on test data that neither training nor calibration saw, streamed. Speed is not measured here.

*Lost* is the share of the float file's metric that the quantized one loses, below zero where it is better. *SQNR* is
that of the worst output, *over steps* whether the error grows in a long run. Weights in 8 bits have no row of their own
where their file is that of `int8-dynamic`. Wanted: 8 bits with dynamic scales lose at most {MOST_LOST:.1%}; 4 bits keep
{LEAST_DB:g} dB, in a file of at most 1/{LEAST_SMALLER:g} of the size.
"""
COLUMNS = """\
| model | kind | float | quantized | lost | SQNR | size | over steps | |
| --- | --- | ---: | ---: | ---: | ---: | ---: | --- | --- |"""
#: What each task is.
TITLES = {
    "ptb": "PTB: the next word",
    "imdb": "IMDB: whether a review is good",
    "ecg": "ECG: the class of a heart beat",
    "ett": "ETT: the next 24 hours of a transformer's load",
    "speech": "Speech commands: the word that is said",
}


def page(result: Tasks) -> str:
    """The text of the page."""
    tasks = list(dict.fromkeys(row.task for row in result.rows))
    sections = [_section(task, [row for row in result.rows if row.task == task]) for task in tasks]
    head = made_by(result.machine, result.versions, result.others_cores, result.date)
    return "\n".join([HEAD, head, _settings(result), _missed(result.rows), *sections])


def table(rows: Sequence[Row]) -> list[str]:
    """The lines of a table of these rows."""
    return [*COLUMNS.splitlines(), *map(_row, rows)]


def _settings(result: Tasks) -> str:
    kinds = [
        f"{kind}: {', '.join(f'{name} {value}' for name, value in settings.items() if _says(name, value))}"
        for kind, settings in result.settings.items()
    ]
    return wrapped(f"- Settings: {'; '.join(kind.removesuffix(': ') for kind in kinds)}", "  ") + "\n"


def _says(name: str, value: object) -> bool:
    """Whether a setting is of the kind's own and tells something."""
    return name not in ("only", "keep", "one_frame", "cache") and value is not None


def _section(task: str, rows: Sequence[Row]) -> str:
    first = rows[0]
    better = "less" if first.lower_is_better else "more"
    about = f"{first.metric}, of which {better} is better, over {first.answers:,} answers."
    return "\n".join([f"## {TITLES.get(task, task)}\n", f"{about}\n", *table(rows), ""])


def _row(row: Row) -> str:
    lost = "" if row.lost is None else f"{row.lost:.2%}"
    noise = "" if row.snr_db is None else f"{row.snr_db:.1f} dB"
    verdict = "**missed**" if row.missed else "holds" if row.wanted else ""
    values = f"{_value(row.before)} | {_value(row.after)}"
    return (
        f"| {row.model} | {row.kind} | {values} | {lost} | {noise} | 1/{row.smaller:.2f} | {row.long_run} | {verdict} |"
    )


def _value(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 1 else f"{value:,.2f}"


def _missed(rows: Sequence[Row]) -> str:
    """What does not hold, and why."""
    judged = [row for row in rows if row.wanted]
    missed = [(row, why) for row in judged for why in row.missed]
    lines = [wrapped(f"- {row.task} {row.model}, {row.kind}: {why}", "  ") for row, why in missed]
    count = sum(1 for row in judged if row.missed)
    return "\n".join(
        ["## What is missed\n", f"{count} of {len(judged)} files:\n" if lines else "Nothing.\n", *lines, ""]
    )
