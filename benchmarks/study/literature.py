"""Where the literature's table agrees with what is measured, and where not."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from benchmarks.study.tables import LITERATURE, spread
from benchmarks.study.words import title

TITLES = {"imdb": "IMDB accuracy", "stocks": "The direction of stock prices", "ptb": "PTB perplexity"}
#: A value agrees that lies within the spread of the seeds, widened by this share of their mean on both sides.
SLACK = 0.05
#: Epochs below which training is called cut.
ENOUGH = 3


def literature_sentences(content: Mapping[str, Any]) -> list[str]:
    """What was done, then for each task which values and which order agree."""
    setting = content["setting"]
    found = [
        f"Hidden size {setting['width']}, one layer, Adam {setting['rate']:g}, dropout {setting['dropout']:g}, "
        f"{len(setting['seeds'])} seeds (mean, least to greatest). Epochs are cut to minutes of one core. The source "
        "of the other columns is a blog post whose plots were random numbers."
    ]
    for task in dict.fromkeys(row["task"] for row in content["rows"]):
        found.append(_task(task, [row for row in content["rows"] if row["task"] == task]))
    return found


def _task(task: str, rows: list[Mapping[str, Any]]) -> str:
    times = 1 if task == "ptb" else 100
    agree = [row["kind"] for row in rows if _agrees(row["metric"], LITERATURE[task, row["kind"]][0] / times)]
    values = "agrees for " + ", ".join(map(title, agree)) if agree else "agrees for none"
    ours = _order({row["kind"]: row["metric"]["mean"] for row in rows}, task)
    theirs = _order({row["kind"]: LITERATURE[task, row["kind"]][0] for row in rows}, task)
    order = "is the same" if ours == theirs else f"is {' before '.join(map(title, ours))} here"
    overlap = "" if _apart(rows) else "; the seeds of different kinds overlap, so that no order is told"
    best = min(rows, key=lambda row: ours.index(row["kind"]))
    return (
        f"{TITLES[task]} {values}; at best {spread(best['metric'], times)} ({title(best['kind'])}) here. The order of "
        f"the literature ({' before '.join(map(title, theirs))}) {order}{overlap}.{_short(rows)}"
    )


def _short(rows: list[Mapping[str, Any]]) -> str:
    """What follows of training that was cut below an epoch: a worse value then contradicts nobody."""
    epochs = max(row["epochs"]["mean"] for row in rows)
    if epochs >= ENOUGH:
        return ""
    return f" Trained for {epochs:.2f} epochs, which is too few to contradict a better value."


def _agrees(value: Mapping[str, float], known: float) -> bool:
    slack = SLACK * value["mean"]
    return value["least"] - slack <= known <= value["most"] + slack


def _order(values: Mapping[str, float], task: str) -> list[str]:
    """The best first."""
    return sorted(values, key=lambda kind: values[kind] if task == "ptb" else -values[kind])


def _apart(rows: list[Mapping[str, Any]]) -> bool:
    """Whether no kind's seeds reach into another's."""
    spans = sorted((row["metric"]["least"], row["metric"]["most"]) for row in rows)
    return all(one[1] < other[0] for one, other in pairwise(spans))
