"""What pace, a busy thread and the system do to a step, and what a paced runner and its keep-warm do about it.

python -m benchmarks.paced [--runs 3] [--steps 1030] [--json benchmarks/results/paced.json]
A short run: --runs 1 --steps 150. The tables of docs/deadlines.md: python -m benchmarks.paced_page
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.alternate import Comparison, Spread
from benchmarks.paced_subjects import SUBJECTS, measure, write_files
from benchmarks.result import Figure, Wanted
from benchmarks.script import Script, main

#: What is recommended where a step has to be as fast as back to back.
BEST = "dummy"
MODELS = {"small": "GRU 1x128", "large": "GRU 2x512"}
#: What shares its interpreter with a busy thread, or the runner of such a program, and the same without the thread.
NEIGHBOURS = {
    "busy_process": "small_none",
    "busy_process_slice": "system_slice",
    "busy_process_fifo": "system_fifo",
    f"busy_process_{BEST}": f"small_{BEST}",
    "busy_thread": "thread",
    "busy_thread_switch": "thread",
    "busy_by_hand": "by_hand",
}


def figures(found: Comparison) -> tuple[Figure, ...]:
    """The ratios that are wanted, and what they are made of; what this machine does not permit is left out."""
    warm = [figure for model, words in MODELS.items() for figure in _warm(found, model, words)]
    return (*warm, *(figure for busy, alone in NEIGHBOURS.items() for figure in _busy(found, busy, alone)))


def _warm(found: Comparison, model: str, words: str) -> Iterator[Figure]:
    base = f"{model}_back_to_back.step_p50_us"
    yield Figure(f"{words}, back to back, p50", "us", found.of(base))
    for name in SUBJECTS:
        if not name.startswith(f"{model}_") or name.endswith("back_to_back"):
            continue
        way = f"{words}, {name.removeprefix(f'{model}_').replace('_', ' ')}"
        wanted = Wanted("at most", 3.0) if name == f"{model}_{BEST}" else None
        yield Figure(f"{way}: due to answer / back to back", "ratio", _ratio(found, name, "due", base), wanted)
        yield Figure(f"{way}: step / back to back", "ratio", _ratio(found, name, "step", base))
        yield Figure(f"{way}: of a core", "%", found.of(f"{name}.cpu_percent"))


def _busy(found: Comparison, busy: str, alone: str) -> Iterator[Figure]:
    name, base = f"{busy}.due_p99_us", f"{alone}.due_p99_us"
    if name in found.values and base in found.values:
        wanted = Wanted("at most", 2.0) if busy in ("busy_process", f"busy_process_{BEST}") else None
        words = busy.removeprefix("busy_").replace("_", " ")
        yield Figure(f"{words}: p99 beside a busy thread / alone", "ratio", found.ratio(name, base), wanted)


def _ratio(found: Comparison, name: str, what: str, base: str) -> Spread:
    return found.ratio(f"{name}.{what}_p50_us", base)


SCRIPT = Script(
    name="paced",
    title="Steps on time",
    about="A GRU of one layer of 128 units and one of two layers of 512, 64 features, batch 1, one frame every 10 ms."
    " A paced runner takes frames that are put ahead of their slots, half a period beside them, so that what is"
    " measured is the runner: from when a slot was due to its answer. Each way of keeping warm, each request to the"
    " system and each neighbour has"
    " processes of its own; ratios are taken between processes of one round.",
    subjects=tuple(SUBJECTS),
    measure=measure,
    figures=figures,
    runs=3,
    steps=1_030,
    files={"exported": write_files},
)

if __name__ == "__main__":
    main(SCRIPT)
