"""One run: a fresh process that loads the file and times every step.

python -m edgeseq.runtime.measuring.worker SETTINGS_JSON OUT_FILE
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np

from edgeseq.doctor.files import Files
from edgeseq.runtime.devices import Array
from edgeseq.runtime.loading import load
from edgeseq.runtime.measuring.randoms import random_conditioning, random_frames
from edgeseq.runtime.model import Model
from edgeseq.runtime.stream import Stream

#: Different inputs that take turns.
INPUTS = 64
#: Steps around a position that are timed, and untimed ones just before them.
WINDOW = 16
LEAD_IN = 4


@dataclass(frozen=True)
class Settings:
    """What one run does; ``period_ns`` None: no paced steps. ``frames`` are the base frames of one step."""

    path: str
    steps: int
    period_ns: int | None
    warmup: int
    batch: int
    threads: int
    device: str
    frames: int
    at: tuple[int, ...]
    passes: int
    seed: int
    allow_unverified: bool = False
    spinning: bool = True


class Stepper:
    """A stream that is stepped with changing inputs and reset before it is full."""

    def __init__(self, model: Model, stream: Stream, frames: int, batch: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        contract = model.contract
        inputs = [random_frames(contract, batch, frames, random) for _ in range(INPUTS)]
        self._stream = stream
        self._frames = frames
        self._limit = contract.max_context
        single = len(contract.with_role("frame")) == 1
        arrays: list[Any] = [next(iter(given.values())) if single else given for given in inputs]
        self._inputs: Iterator[Any] = cycle(arrays)

    def ready(self) -> Callable[[], object]:
        """The next step, with everything around it done beforehand."""
        stream, given = self._stream, next(self._inputs)
        if self._limit is not None and stream.position + self._frames > self._limit:
            stream.reset()
        return lambda: stream.step(given)


def run(settings: Settings) -> dict[str, Any]:
    """Everything that one process measures, in nanoseconds and bytes."""
    begin = perf_counter_ns()
    model = load(
        settings.path,
        device=settings.device,
        threads=settings.threads,
        allow_unverified=settings.allow_unverified,
        spinning=settings.spinning,
    )
    load_ns = perf_counter_ns() - begin
    conditioning = random_conditioning(model.contract, settings.batch, np.random.default_rng(settings.seed))
    stream = model.stream(batch=settings.batch, conditioning=conditioning)
    stepper = Stepper(model, stream, settings.frames, settings.batch, settings.seed)
    first = back_to_back(stepper, 1)
    back_to_back(stepper, settings.warmup)
    modes = {"back_to_back": back_to_back(stepper, settings.steps)}
    if settings.period_ns is not None:
        modes["paced"], modes["paced_step"] = paced(stepper, settings.steps, settings.period_ns)
    for position in settings.at:
        modes[f"at_{position}"] = at_position(model, settings, conditioning, position)
    return {
        "load_ns": load_ns,
        "first_step_ns": first[0],
        "state_bytes": stream.state_bytes,
        "peak_rss_bytes": peak_rss_bytes(),
        "modes": modes,
    }


def back_to_back(stepper: Stepper, steps: int) -> list[int]:
    """Steps that follow each other at once."""
    samples = []
    for _ in range(steps):
        step = stepper.ready()
        begin = perf_counter_ns()
        step()
        samples.append(perf_counter_ns() - begin)
    return samples


def paced(stepper: Stepper, steps: int, period_ns: int) -> tuple[list[int], list[int]]:
    """One step per period: times from the moment each was due, and from its call.

    Until a step is due the process sleeps, as a real one would: spinning would keep the core warm. A late step does not
    move the next one's due time.
    """
    from_due, from_call = [], []
    start = perf_counter_ns() + period_ns
    for index in range(steps):
        step, due = stepper.ready(), start + index * period_ns
        while (early_ns := due - perf_counter_ns()) > 0:
            time.sleep(early_ns / 1e9)
        begin = perf_counter_ns()
        step()
        end = perf_counter_ns()
        from_due.append(end - due)
        from_call.append(end - begin)
    return from_due, from_call


def at_position(model: Model, settings: Settings, conditioning: dict[str, Array], position: int) -> list[int]:
    """Steps around ``position``, in several passes over a stream whose caches have room from the start."""
    frames, limit = settings.frames, model.contract.max_context
    end = position + WINDOW // 2 * frames if limit is None else min(limit, position + WINDOW // 2 * frames)
    fill = max(0, end - (WINDOW + LEAD_IN) * frames) // frames * frames
    stream = model.stream(settings.batch, conditioning, max_context=max(end, frames))
    samples: list[int] = []
    for number in range(settings.passes):
        stream.reset()
        random = np.random.default_rng(settings.seed + number)
        if fill:
            stream.step(random_frames(model.contract, settings.batch, fill, random))
        stepper = Stepper(model, stream, frames, settings.batch, settings.seed + number)
        timed = min(WINDOW, (end - fill) // frames)
        back_to_back(stepper, max(0, (end - fill) // frames - timed))
        samples += back_to_back(stepper, timed)
    return samples


def peak_rss_bytes() -> int | None:
    """The most memory this process has had resident; None where the system does not tell."""
    # Linux hands the peak that resource tells down to children: with PyTorch in the parent it would be counted here.
    own = Files().fields("proc/self/status").get("VmHWM", "").split()
    if len(own) == 2 and own[1] == "kB":
        return int(own[0]) * 1024
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main(arguments: list[str]) -> None:
    """Run with settings as JSON, write the result as JSON."""
    given = json.loads(arguments[0])
    result = run(Settings(**{**given, "at": tuple(given["at"])}))
    Path(arguments[1]).write_text(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1:])
