"""What was found, for people: a table, two lines of text, and a sentence made from the numbers."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

#: Figures that differ by less than this share are called equal.
EQUAL_WITHIN = 0.02
#: A step whose time changes by less than this share stays the same.
SAME_WITHIN = 0.05
#: Halves of the timed passes that differ by more make the latencies doubtful.
STEADY_WITHIN = 1.25

#: Characters of a line, but for what the models write.
WIDTH = 100

Found = dict[str, Any]


def describe(document: Found) -> str:
    """The whole report as text."""
    models = list(document["models"].values())
    titles = ("", *(model["title"] for model in models))
    written = [f"{model['title']} writes: {model['line']}" for model in models]
    replayed = [replay(model) for model in models]
    table = aligned([titles, *rows(models)])
    found = [*replayed, "", *table, "", *written, "", document["conclusion"], "", *notes(document)]
    return "\n".join(line if len(line) <= WIDTH or line in written else textwrap.fill(line, WIDTH) for line in found)


def replay(model: Found) -> str:
    """How far this machine is off what the module gave where it was exported."""
    name, found = model["file"]["name"], model["replay"]
    worst = max(found["outputs"].values(), key=lambda output: float(output["error"] - output["allowed"]))
    verdict = "passes" if found["passed"] else "FAILS"
    return f"{name} {verdict} its golden trace: off by {worst['error']:.1e}, allowed {worst['allowed']:.1e}"


def rows(models: Sequence[Found]) -> list[tuple[str, ...]]:
    """The table: what is compared, then one cell per model."""
    steps = list(models[0]["at"])
    return [
        ("parameters", *(f"{model['parameters']:,}" for model in models)),
        ("file", *(kib(model["file"]["bytes"]) for model in models)),
        ("bits per character", *(f"{model['bits_per_character']:.2f}" for model in models)),
        *((f"p50 of step {int(step):,}", *(latency(model, step) for model in models)) for step in steps),
        *((f"memory per stream at {int(step):,}", *(memory(model, step) for model in models)) for step in steps),
    ]


def latency(model: Found, step: str) -> str:
    """The median step there; a star where the model has not learned what to say so far from its start."""
    beyond = model["bounded"] and int(step) > model["trained_context"]
    return f"{'*' if beyond else ''}{p50_us(model, step):.1f} us"


def memory(model: Found, step: str) -> str:
    """What a stream's state takes there."""
    return kib(model["state_bytes"][step])


def conclusion(document: Found) -> str:
    """One sentence about quality, pace and memory, from the numbers alone."""
    models = list(document["models"].values())
    first, *_, last = models[0]["at"]
    quality, pace, size = (
        [model["bits_per_character"] for model in models],
        [p50_us(model, last) for model in models],
        [model["state_bytes"][last] for model in models],
    )
    bits = " against ".join(f"{value:.2f}" for value in sorted(quality))
    return (
        f"{lesser(models, quality, 'The {} predicts the held-out text better', 'Both predict equally well')} "
        f"({bits} bits per character). From step {int(first):,} to step {int(last):,} "
        f"{' and '.join(change(model, first, last) for model in models)}: at the end "
        f"{lesser(models, pace, 'the {0} is {2:.1f} times as fast as the {1}', 'both are equally fast')}, and "
        f"{lesser(models, size, 'the {1} holds {2:,.0f} times the memory per stream', 'both hold as much memory')}."
    )


def lesser(models: Sequence[Found], values: Sequence[float], template: str, equal: str) -> str:
    """``template`` with the title of the model with the least value, of the one with the most, and their ratio."""
    ordered = sorted(zip(values, (model["title"] for model in models), strict=True))
    (least, winner), (most, loser) = ordered[0], ordered[-1]
    return template.format(winner, loser, most / least) if most > least * (1 + EQUAL_WITHIN) else equal


def change(model: Found, first: str, last: str) -> str:
    """What becomes of the model's step between two positions."""
    times = p50_us(model, last) / p50_us(model, first)
    how = "stays the same" if abs(times - 1) < SAME_WITHIN else f"takes {times:.1f} times as long"
    return f"a step of the {model['title']} {how}"


def notes(document: Found) -> list[str]:
    """What the figures mean, where they come from, and reasons for doubt."""
    settings, machine, versions = document["settings"], document["machine"], document["versions"]
    bounded = [model for model in document["models"].values() if model["bounded"]]
    lines = [
        f"* timing only: beyond the {model['trained_context']} characters that the {model['title']} was trained on, of "
        f"{model['max_context']:,} that fit"
        for model in bounded
    ]
    lines += [
        f"bits per character: of held-out text from the ONNX streams, {when(document)}"
        + " and ".join(scored(model) for model in document["models"].values()),
        f"latency: one step and nothing else, back to back; {settings['passes']} streams of each model by turns in one "
        f"process without {' or '.join(document['absent_modules'])}; the steps within a tenth of each position",
        f"machine: {machine['cpu']}, {machine['usable_cores']} cores; "
        + ", ".join(f"{name} {number}" for name, number in versions.items()),
    ]
    firsts = [first_step(model) for model in document["models"].values() if model["first_step"]["p50_ns"] is not None]
    if firsts:
        lines.append(f"the first step after a reset, not drawn: {' and '.join(firsts)}")
    return lines + [f"doubt: {text}" for text in document["doubts"]]


def first_step(model: Found) -> str:
    """What the step takes that begins a stream: it does more than those after it."""
    return f"{model['title']} {model['first_step']['p50_ns'] / 1e3:.0f} us"


def when(document: Found) -> str:
    """A word about a quality that was not measured in this run."""
    made = document.get("made")
    return f"measured after their {made['settings']['steps']:,} steps of training; " if made else ""


def scored(model: Found) -> str:
    """How the model's quality was measured."""
    count = f"{model['scored_characters']:,} characters"
    if model["bounded"]:
        return f"the {model['title']} on {count} in windows of {model['trained_context']} that overlap by half"
    return f"the {model['title']} on {count} in one stream"


def doubts(document: Found) -> list[str]:
    """Reasons not to trust the latencies, in words."""
    return [
        f"half of the passes of the {model['title']} took {model['drift']:.2f} times as long as the rest"
        for model in document["models"].values()
        if model["drift"] > STEADY_WITHIN
    ]


def p50_us(model: Found, step: str) -> float:
    """The median step there in microseconds."""
    return float(model["at"][step]["p50_ns"]) / 1e3


def kib(count: int) -> str:
    """A size in KiB, so that all sizes of a row share their unit."""
    return f"{count / 1024:,.1f} KiB"


def aligned(grid: Sequence[tuple[str, ...]]) -> list[str]:
    """Lines with the first column to the left and the others to the right."""
    sizes = [max(map(len, column)) for column in zip(*grid, strict=True)]
    return [
        "  ".join([row[0].ljust(sizes[0]), *(cell.rjust(size) for cell, size in zip(row[1:], sizes[1:], strict=True))])
        for row in grid
    ]
