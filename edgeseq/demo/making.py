"""From nothing to two verified files: train and export. Needs torch."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

import edgeseq
from edgeseq.demo.data import Corpus
from edgeseq.demo.models import CharGPT, CharGRU, parameters
from edgeseq.demo.settings import LAST_STEP, Settings
from edgeseq.demo.training import train

INPUTS = {"tokens": "int64[batch,time]"}


@dataclass(frozen=True)
class Entry:
    """A model of the comparison.

    ``bounded``: it means nothing beyond the context it was trained on, and its streams end at LAST_STEP.
    """

    title: str
    make: Callable[[], nn.Module]
    learning_rate: float
    bounded: bool


#: A few learning rates between 0.003 and 0.015 were tried for each: these are good ones, not the outcome of a search.
ENTRIES = {
    "gru": Entry("GRU", CharGRU, learning_rate=8e-3, bounded=False),
    "gpt": Entry("GPT", CharGPT, learning_rate=1.2e-2, bounded=True),
}


def make(
    name: str,
    text: Corpus,
    settings: Settings,
    folder: Path,
    say: Callable[[str], None],
    progress: Callable[[str], None],
) -> dict[str, Any]:
    """Train and export one of ENTRIES; ``say`` gets what everybody reads, ``progress`` what a waiting person does."""
    entry = ENTRIES[name]
    count = parameters(entry.make())
    amount = f"{settings.steps:,} steps of {settings.batch} x {settings.context} characters"
    say(f"{entry.title}: {count:,} parameters, {amount}")
    begin = time.perf_counter()
    losses: list[float] = []

    def report(step: int, loss: float) -> None:
        losses.append(loss)
        progress(f"  step {step:>5,}  {loss:.2f} bits per character  {time.perf_counter() - begin:5.1f} s")

    model = train(entry.make, text.train, settings, entry.learning_rate, report)
    trained = time.perf_counter()
    most = LAST_STEP if entry.bounded else None
    exported = edgeseq.export(model, INPUTS, folder / f"{name}.onnx", max_context=most)
    done = time.perf_counter()
    say(f"  {exported.path.name} verified: {found(exported.verification)}")
    return {
        "title": entry.title,
        "parameters": count,
        "learning_rate": entry.learning_rate,
        "training_bits_per_character": losses[-1],
        "trained_context": settings.context,
        "bounded": entry.bounded,
        "max_context": exported.contract.max_context,
        "file": {"name": exported.path.name, "bytes": exported.path.stat().st_size},
        "digest": exported.contract.digest,
        "verification": exported.verification.to_dict(),
        "seconds": {"train": round(trained - begin, 3), "export": round(done - trained, 3)},
    }


def found(verification: Any) -> str:
    """What verification found, in half a line."""
    worst = max(verification.checks, key=lambda check: check.worst)
    laws = ", ".join(check.name for check in verification.checks if check.passed)
    return f"{laws} hold; farthest from float64 {worst.worst:.1e}, allowed {worst.allowed:.1e}"
