"""The part of the demo that has never heard of PyTorch: it streams the files that it is given.

python -m edgeseq.demo.play JOB_JSON OUT_FILE
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeseq.demo import timing
from edgeseq.demo.data import corpus
from edgeseq.demo.scoring import bits_per_character
from edgeseq.demo.settings import LAST_STEP, POSITIONS, Settings
from edgeseq.demo.writing import write
from edgeseq.errors import EdgeseqError
from edgeseq.runtime import load
from edgeseq.runtime.measuring.machine import machine, versions

#: What must not be in this process.
ABSENT = ("torch", "onnx", "onnxscript")


@dataclass(frozen=True)
class Job:
    """Files by model name, and for each the context its quality is measured in (None: one long stream)."""

    files: dict[str, str]
    contexts: dict[str, int | None]
    settings: Settings


def play(job: Job, report: Callable[[str], None]) -> dict[str, Any]:
    """Let every model write, predict and be timed; EdgeseqError where torch or onnx has come into this process."""
    settings, seconds = job.settings, dict[str, float]()
    streams = {name: load(path).stream() for name, path in job.files.items()}
    held_out = corpus().validation[: settings.scored + 1]
    along = held_out[:LAST_STEP]
    with clocked("writing", seconds, report):
        lines = {name: write(stream, settings) for name, stream in streams.items()}
    with clocked("predicting", seconds, report):
        bits = {name: bits_per_character(stream, held_out, job.contexts[name]) for name, stream in streams.items()}
    # Their own streams: these have never held more than the steps before.
    streams = {name: load(path).stream() for name, path in job.files.items()}
    sizes = {name: timing.fill(stream, along, POSITIONS) for name, stream in streams.items()}
    with clocked("timing", seconds, report):
        samples = timing.passes(streams, along, settings.passes)
    check_absent()
    models = {
        name: {
            "line": lines[name],
            "bits_per_character": bits[name],
            "state_bytes": sizes[name],
            "first_step": timing.summary(samples[name][:, 0]),
            "at": {str(step): timing.around(samples[name], step) for step in POSITIONS},
            "curve": timing.curve(samples[name], POSITIONS[-1]),
            "drift": timing.drift(samples[name]),
        }
        for name in streams
    }
    return {
        "models": models,
        "scored_characters": len(held_out) - 1,
        "seconds": seconds,
        "machine": machine(),
        "versions": versions(),
        "absent_modules": list(ABSENT),
    }


def check_absent() -> None:
    """EdgeseqError where a module of ABSENT has been loaded."""
    found = [name for name in ABSENT if name in sys.modules]
    if found:
        raise EdgeseqError(
            "the streaming process is not free of PyTorch",
            got=", ".join(found),
            wanted=f"none of {', '.join(ABSENT)}",
            do="look for what loads it when Python starts: a .pth file or sitecustomize",
        )


@contextmanager
def clocked(what: str, seconds: dict[str, float], report: Callable[[str], None]) -> Iterator[None]:
    """Say what is done and note how long it took."""
    report(what)
    begin = time.perf_counter()
    yield
    seconds[what] = round(time.perf_counter() - begin, 3)


def read_job(text: str) -> Job:
    """The job that was written as JSON."""
    given = json.loads(text)
    return Job(given["files"], given["contexts"], Settings(**given["settings"]))


def main(arguments: list[str]) -> int:
    """Do the job, write what was found; 1 and one line where it cannot be done."""
    shown = sys.stderr.isatty()
    try:
        found = play(read_job(arguments[0]), lambda what: print(f"  {what}", file=sys.stderr) if shown else None)
    except EdgeseqError as error:
        print(error, file=sys.stderr)
        return 1
    Path(arguments[1]).write_text(json.dumps(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
