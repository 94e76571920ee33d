"""What was found, for people: a table, two lines of text, and a sentence made from the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

#: Figures that differ by less than this share are called equal.
EQUAL_WITHIN = 0.02
#: Halves of the timed passes that differ by more make the latencies doubtful.
STEADY_WITHIN = 1.25


def describe(document: dict[str, Any]) -> str:
    """The whole report as text."""
    models = list(document["models"].values())
    lines = ["", *aligned([("", *(model["title"] for model in models)), *rows(models)]), ""]
    lines += [f"{model['title']} writes  {model['line']}" for model in models]
    lines += ["", document["conclusion"], "", *notes(document)]
    return "\n".join(lines)


def rows(models: Sequence[dict[str, Any]]) -> list[tuple[str, ...]]:
    """The table: what is compared, then one cell per model."""
    steps = list(models[0]["at"])
    return [
        ("parameters", *(f"{model['parameters']:,}" for model in models)),
        ("file", *(kib(model["file"]["bytes"]) for model in models)),
        ("bits per character", *(f"{model['bits_per_character']:.2f}" for model in models)),
        *((f"p50 at step {int(step):,}", *(latency(model, step) for model in models)) for step in steps),
        *((f"memory per stream, step {int(step):,}", *(memory(model, step) for model in models)) for step in steps),
    ]


def latency(model: dict[str, Any], step: str) -> str:
    """The median step there; a star where the model means nothing so far from its start."""
    beyond = model["bounded"] and int(step) > model["trained_context"]
    return f"{microseconds(model, step)} us{'*' if beyond else ' '}"


def memory(model: dict[str, Any], step: str) -> str:
    """Bytes of state there."""
    return kib(model["state_bytes"][step])


def conclusion(document: dict[str, Any]) -> str:
    """One sentence about quality, pace and memory, from the numbers alone."""
    models = list(document["models"].values())
    first, *_, last = models[0]["at"]
    parts = [
        _ranked(models, "bits per character", [model["bits_per_character"] for model in models], "{:.2f}", "predicts"),
        _along(models, first, last),
        _ranked(models, "us", [model["at"][last]["p50_ns"] / 1e3 for model in models], "{:.1f}", f"at {last}"),
    ]
    return "; ".join(parts)


def aligned(grid: Sequence[tuple[str, ...]]) -> list[str]:
    """Lines with the first column to the left and the others to the right."""
    sizes = [max(len(row[column]) for row in grid) for column in range(len(grid[0]))]
    return [
        "  ".join([row[0].ljust(sizes[0]), *(cell.rjust(size) for cell, size in zip(row[1:], sizes[1:], strict=True))])
        for row in grid
    ]
