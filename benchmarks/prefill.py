"""A prompt of 4,096 tokens through a GPT of six layers: in one call, and token by token.

python -m benchmarks.prefill [--runs 3] [--json out.json]
"""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import numpy as np

from benchmarks.alternate import Comparison
from benchmarks.result import Figure, Wanted
from benchmarks.script import Script, main
from edgeseq import runtime

TOKENS, WORDS = 4_096, 65
WAYS = {"prefill": TOKENS, "steps": 1}


def write_files(folder: Path) -> None:
    """The GPT."""
    from benchmarks.models import write_gpt

    write_gpt(folder)


def measure(subject: str, folder: Path, steps: int) -> dict[str, float]:
    """Seconds for all tokens, after a short warm-up."""
    stream = runtime.load(folder / "model.onnx").stream(max_context=TOKENS)
    tokens, size = np.random.default_rng(0).integers(0, WORDS, (1, TOKENS)), WAYS[subject]
    stream.step(tokens[:, : 2 * size])
    stream.reset()
    begin = perf_counter()
    for first in range(0, TOKENS, size):
        stream.step(tokens[:, first : first + size])
    return {"all_s": perf_counter() - begin}


def figures(found: Comparison) -> tuple[Figure, ...]:
    """Both times, and their quotient."""
    one, many = "prefill.all_s", "steps.all_s"
    return (
        Figure("4,096 tokens in one call", "s", found.of(one)),
        Figure("4,096 steps", "s", found.of(many)),
        Figure("steps / one call", "ratio", found.ratio(many, one), Wanted("at least", 5)),
    )


SCRIPT = Script(
    name="prefill",
    title="A long prompt in one call",
    about="nanoGPT's model of characters (6 layers, 6 heads, width 384), 4,096 tokens, batch 1, one thread: given to"
    " stream.step at once, and one by one. That both come to the same is held by the tests.",
    subjects=tuple(WAYS),
    measure=measure,
    figures=figures,
    runs=3,
    files={"exported": write_files},
)

if __name__ == "__main__":
    main(SCRIPT)
