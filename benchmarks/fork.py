"""What ``stream.fork`` costs beside one copy of the state that it copies, in time and memory.

python -m benchmarks.fork [--runs 5] [--json out.json]
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns

import numpy as np

from benchmarks.alternate import Comparison
from benchmarks.million_steps import resident_bytes
from benchmarks.result import Figure, Wanted
from benchmarks.script import Script, main
from edgeseq import runtime

#: Tokens behind the stream, by subject: the state of the GPT after one is 18 KiB, after 2,048 it is 36 MiB.
TOKENS = {"short": 1, "long": 2_048}
TIMES = 15


def write_files(folder: Path) -> None:
    """The GPT."""
    from benchmarks.models import write_gpt

    write_gpt(folder)


def median_us(call: Callable[[], object]) -> float:
    """The median of single calls; what they return is kept, so that each has to ask for memory of its own."""
    times, kept = [], []
    for _ in range(TIMES):
        begin = perf_counter_ns()
        made = call()
        times.append(perf_counter_ns() - begin)
        kept.append(made)
    return statistics.median(times) / 1_000


def measure(subject: str, folder: Path, steps: int) -> dict[str, float]:
    """A fork, the copy of the same arrays into fresh memory, and what one fork adds to the process."""
    stream = runtime.load(folder / "model.onnx").stream(max_context=4_096)
    stream.step(np.zeros((1, TOKENS[subject]), np.int64))
    state = list(stream.snapshot().states.values())
    fork, copy = median_us(stream.fork), median_us(lambda: [array.copy() for array in state])
    before = resident_bytes()
    twin = stream.fork()
    added = resident_bytes() - before
    size = sum(array.nbytes for array in state)
    twin.close()
    return {"fork_us": fork, "copy_us": copy, "state_kib": size / 1024, "added_kib": added / 1024}


def figures(found: Comparison) -> tuple[Figure, ...]:
    """By length: both times, their quotient, the memory."""
    made: list[Figure] = []
    for name, tokens in TOKENS.items():
        fork, copy = f"{name}.fork_us", f"{name}.copy_us"
        wanted = Wanted("at most", 1.1) if name == "long" else None
        made += [
            Figure(f"fork after {tokens:,} tokens", "us", found.of(fork)),
            Figure(f"copy of its state, {tokens:,} tokens", "us", found.of(copy)),
            Figure(f"fork / copy, {tokens:,} tokens", "ratio", found.ratio(fork, copy), wanted),
            Figure(f"state after {tokens:,} tokens", "KiB", found.of(f"{name}.state_kib")),
            Figure(f"memory that a fork adds, {tokens:,} tokens", "KiB", found.of(f"{name}.added_kib")),
        ]
    return tuple(made)


SCRIPT = Script(
    name="fork",
    title="A fork is a copy of the state",
    about="nanoGPT's model of characters (6 layers, 6 heads, width 384) in a stream with room for 4,096 tokens: fork,"
    " and numpy's copy of the arrays that a snapshot has of its states, both into fresh memory. A tenth more is allowed"
    " for all that is not the copy.",
    subjects=tuple(TOKENS),
    measure=measure,
    figures=figures,
    runs=5,
    files={"exported": write_files},
)

if __name__ == "__main__":
    main(SCRIPT)
