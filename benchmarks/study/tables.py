"""The study's tables, as lines of Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.study.catalogue import QUESTIONS
from benchmarks.study.deciding import choices, shares
from benchmarks.study.kinds import KINDS, TRANSLATORS
from benchmarks.study.reading import Result, Results
from benchmarks.study.words import amount, number, title

#: The literature's table: accuracy in percent and loss, perplexity; training minutes.
LITERATURE: Mapping[tuple[str, str], tuple[float, float | None, float]] = {
    ("imdb", "rnn"): (82.3, 0.45, 120),
    ("imdb", "lstm"): (85.7, 0.38, 150),
    ("imdb", "gru"): (84.9, 0.39, 135),
    ("stocks", "rnn"): (76.1, 0.025, 90),
    ("stocks", "lstm"): (79.3, 0.020, 110),
    ("stocks", "gru"): (78.5, 0.021, 100),
    ("ptb", "rnn"): (115.3, None, 240),
    ("ptb", "lstm"): (108.2, None, 280),
    ("ptb", "gru"): (110.7, None, 260),
}


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table whose first column is text and whose others are numbers."""
    lines = [f"| {' | '.join(head)} |", f"| --- |{' ---: |' * (len(head) - 1)}"]
    return lines + [f"| {' | '.join(row)} |" for row in rows]


def quality(results: Results) -> list[str]:
    """Every kind's metric on every task, its parameters, and the mean of its shares of the best."""
    tasks = [task for task in QUESTIONS if any(model["task"] == task for model in results.models())]
    worth = {task: shares(results.metrics(task), task) for task in tasks}
    rows = []
    for kind in (*KINDS, *TRANSLATORS):
        mine = [model for model in results.models() if model["kind"] == kind]
        if mine:
            sizes = sorted(model["without_tables"] for model in mine)
            cells = (results.metric(task, kind) for task in tasks)
            values = ["" if value is None else number(value) for value in cells]
            mean = statistics.fmean(worth[model["task"]][kind] for model in mine)
            rows.append([title(kind), f"{sizes[0] // 1000}k", *values, f"{mean:.2f}"])
    trivial = results.training.get("baselines", {})
    known = ["" if task not in trivial else number(trivial[task]) for task in tasks]
    rows.append(["knowing nothing", "", *known, ""])
    head = ["kind", "parameters", *(f"{task}, {_metric(task)}" for task in tasks), "share of the best"]
    return table(head, rows)


def _metric(task: str) -> str:
    return QUESTIONS[task].metric.__name__.replace("_", " ")


def budgets(results: Results) -> list[str]:
    """What each task's models were given."""
    rows = []
    for task, question in QUESTIONS.items():
        mine = [model for model in results.models() if model["task"] == task]
        if mine:
            minutes = sorted(model["minutes"] for model in mine)
            first = mine[0]
            span = f"{minutes[0]:.2f} to {minutes[-1]:.2f}"
            rates = ", ".join(f"{trial['rate']:g}" for trial in first["trials"])
            rows.append([question.title, str(len(mine)), f"{first['steps']:,}", f"{first['epochs']:.2f}", rates, span])
    return table(["task", "models", "steps", "epochs", "rates tried", "minutes of a core"], rows)


def steps(result: Result) -> list[str]:
    """The median step of every file in every way that it was stepped."""
    files = result.files
    places = next(iter(files.values())).positions()
    rows = []
    for name, file in files.items():
        at = [_us(file.step_us(f"at_{place}")) for place in places]
        paced = [_us(file.step_us("paced", quantile)) for quantile in ("p50", "p99")]
        worth = "" if file.quality is None else f"{file.quality:.3f}"
        rows.append([title_of(name), str(file.frames), worth, _us(file.step_us("back_to_back")), *paced, *at])
    heads = [
        "frames a step",
        "quality",
        "back to back",
        "paced p50",
        "paced p99",
        *(f"at {place:,}" for place in places),
    ]
    return table(["us", *heads], rows)


def title_of(name: str) -> str:
    """A file's title, with the way it was stepped."""
    file, _, way = name.partition(", ")
    return title(file) + (f", {way}" if way else "")


def _us(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def decisions(results: Results) -> list[str]:
    """The table of decisions; rows that take the same with more memory are one."""
    found = choices(results)
    rows: list[list[str]] = []
    for choice in found:
        memory = "any" if choice.memory is None else amount(choice.memory)
        asked = [f"{choice.deadline_us:,.0f} us", f"{choice.history:,}"]
        cells = ["none" if kind is None else title(kind) for kind in choice.kinds.values()]
        if rows and rows[-1][:2] == asked and rows[-1][3:] == cells:
            rows[-1][2] = f"{rows[-1][2].removesuffix(' or more')} or more"
        else:
            rows.append([*asked, memory, *cells])
    return table(["deadline of a step", "history, frames", "memory of a stream", *found[0].kinds], rows)


def appendix(content: Mapping[str, Any]) -> list[str]:
    """The literature's values beside ours, with the least and greatest over the seeds."""
    rows = []
    for row in content["rows"]:
        known, loss, minutes = LITERATURE[row["task"], row["kind"]]
        percent = row["task"] != "ptb"
        ours = spread(row["metric"], 100 if percent else 1)
        unit = " %" if percent else ""
        losses = [spread(row["loss"]), "" if loss is None else f"{loss:.3g}"]
        taken = [f"{row['epochs']['mean']:.2f}", f"{row['minutes']['mean']:.1f}", f"{minutes:.0f}"]
        rows.append([f"{row['task']} {title(row['kind'])}", ours + unit, f"{known:g}{unit}", *losses, *taken])
    head = ["", "measured", "literature", "loss", "literature's", "epochs", "minutes", "literature's"]
    return table(head, rows)


def spread(value: Mapping[str, float], times: float = 1) -> str:
    """``50.1 (49.8 to 50.4)``."""
    mean, least, most = (number(value[name] * times) for name in ("mean", "least", "most"))
    return f"{mean} ({least} to {most})"
