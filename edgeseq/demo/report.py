"""What was found, for people: a table, two lines of text, and a sentence made from the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

#: Shares closer than this are called equal.
EQUAL_WITHIN = 0.03
#: Halves of the timed passes that differ by more make the latencies doubtful.
STEADY_WITHIN = 1.25


def describe(document: dict[str, Any]) -> str:
    """The whole report as text."""
    models = document["models"].values()
    rows = [(label, [cell(model) for model in models]) for label, cell in _rows(document)]
    head = ("", [model["title"] for model in models])
    lines = ["", *_aligned([head, *rows]), ""]
    lines += [f"{model['title']} writes: {model['line']}" for model in models]
    lines += ["", document["conclusion"], "", *_notes(document)]
    return "\n".join(lines)


def conclusion(document: dict[str, Any]) -> str:
    """One sentence about quality, pace and memory, from the numbers alone."""
    one, other = document["models"].values()
    last = max(one["at"], key=int)
    pace = [_p50(model, last) for model in (one, other)]
    names = one["title"], other["title"]
    quality = _compared(names, [one["bits_per_character"], other["bits_per_character"]], "fewer", "bits per character")
    step = _compared(names, pace, "less", f"time per step at step {int(last):,}")
    memory = _compared(names, [one["state_bytes"][last], other["state_bytes"][last]], "less", "memory per stream there")
    along = "; ".join(_along(model, last) for model in (one, other))
    return f"{_capital(quality)}, {step} and {memory}; {along}."


def doubts(document: dict[str, Any]) -> list[str]:
    """Reasons not to trust the latencies, in words."""
    found = ["latencies are those of one process; edgeseq bench compares several"]
    for model in document["models"].values():
        if model["drift"] > STEADY_WITHIN:
            found.append(f"{model['title']}: half of the timed passes took {model['drift']:.2f} times as long as the rest")
    return found


def _rows(document: dict[str, Any]) -> list[tuple[str, Any]]:
    positions = list(next(iter(document["models"].values()))["at"])
    return [
        ("parameters", lambda model: f"{model['parameters']:,}"),
        ("file", lambda model: _kib(model["file"]["bytes"])),
        ("bits per character, held-out text", lambda model: f"{model['bits_per_character']:.2f}"),
        *((f"step {int(at):,}, p50", lambda model, at=at: _latency(model, at)) for at in positions),
        *((f"memory per stream at step {int(at):,}", lambda model, at=at: _kib(model["state_bytes"][at])) for at in positions),
    ]
