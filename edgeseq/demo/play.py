"""The part of the demo that has never heard of PyTorch: it streams the files that it is given.

python -m edgeseq.demo.play JOB_JSON OUT_FILE
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgeseq.demo import timing
from edgeseq.demo.data import corpus
from edgeseq.demo.scoring import bits_per_character
from edgeseq.demo.settings import LAST_STEP, POSITIONS, Settings
from edgeseq.demo.writing import write
from edgeseq.errors import EdgeseqError
from edgeseq.runtime import Stream, load, replay
from edgeseq.runtime.measuring.machine import machine, versions

#: What must not be in this process.
ABSENT = ("torch", "onnx", "onnxscript")


@dataclass(frozen=True)
class Job:
    """Files by model name, each with its golden trace beside it.

    ``contexts`` names the models whose quality is measured too, each with the context to do it in (None: one long
    stream). That needs the text, which not every Python carries.
    """

    files: dict[str, str]
    settings: Settings
    contexts: dict[str, int | None] = field(default_factory=dict)


def play(job: Job, report: Callable[[str], None]) -> dict[str, Any]:
    """Replay every model's golden trace, let it write, predict where the job asks for it, and be timed.

    EdgeseqError where torch or onnx has come into this process.
    """
    settings, seconds = job.settings, dict[str, float]()
    with clocked("replaying", seconds, report):
        replays = {name: replay(path).to_dict() for name, path in job.files.items()}
    with clocked("writing", seconds, report):
        lines = {name: write(stream, settings) for name, stream in opened(job).items()}
    scored = {}
    if job.contexts:
        with clocked("predicting", seconds, report):
            scored = predict(job)
    # Their own streams: these have never held more than the steps before.
    streams, along = opened(job), timing.characters(LAST_STEP, settings.seed)
    sizes = {name: timing.fill(stream, along, POSITIONS) for name, stream in streams.items()}
    with clocked("timing", seconds, report):
        samples = timing.passes(streams, along, settings.passes)
    check_absent()
    models = {
        name: {
            "replay": replays[name],
            "line": lines[name],
            **scored.get(name, {}),
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
        "seconds": seconds,
        "machine": machine(),
        "versions": versions(),
        "absent_modules": list(ABSENT),
    }


def opened(job: Job) -> dict[str, Stream]:
    """A new stream of each model."""
    return {name: load(path).stream() for name, path in job.files.items()}


def predict(job: Job) -> dict[str, dict[str, Any]]:
    """How well each model of ``job.contexts`` predicts the held-out text."""
    held_out, streams = corpus().validation[: job.settings.scored + 1], opened(job)
    return {
        name: {
            "bits_per_character": bits_per_character(streams[name], held_out, context),
            "scored_characters": len(held_out) - 1,
        }
        for name, context in job.contexts.items()
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
    return Job(given["files"], Settings(**given["settings"]), given["contexts"])


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
