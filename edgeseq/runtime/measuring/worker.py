"""One run: a fresh process that loads the file and times every step.

python -c 'from edgeseq.runtime.measuring import worker; ...' as ``processes`` starts it.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np

from edgeseq.runtime.devices import Array
from edgeseq.runtime.engine import onnxruntime
from edgeseq.runtime.loading import load
from edgeseq.runtime.measuring.clock import measure_clock
from edgeseq.runtime.measuring.memory import peak_rss_bytes
from edgeseq.runtime.measuring.randoms import random_conditioning, random_frames
from edgeseq.runtime.measuring.readings import begin, end
from edgeseq.runtime.measuring.recording import Recording, paced_steps
from edgeseq.runtime.measuring.samples import Binned, Raw, Samples
from edgeseq.runtime.measuring.settings import Settings
from edgeseq.runtime.measuring.stepping import INPUTS, Stepper, Together, Turns, inputs
from edgeseq.runtime.measuring.timing import Next, busy_thread, time_paced, time_steps
from edgeseq.runtime.measuring.warmup import MOST, find_warmup
from edgeseq.runtime.model import Model

#: Steps around a position that are timed, and untimed ones just before them.
WINDOW = 16
LEAD_IN = 4


class Run:
    """What one process measures: figures that are plain values, and the samples of each mode, warm-up apart."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.figures: dict[str, Any] = {"warmup": {}, "readings": {}, "state_bytes_at": {}}
        self.samples: dict[str, Samples] = {}

    def measure(self, imported_ns: int, started_ns: int) -> None:
        """Everything; ``started_ns`` is when the process was asked for, ``imported_ns`` how long imports took."""
        settings = self._settings
        model = self._loaded()
        # One stream and one input: making the rest is no part of a program's start.
        first_ns, answered_ns = _first(_stepper(model, replace(settings, streams=1), variety=1).ready)
        stepper = _stepper(model, settings)
        figures = {"import_ns": imported_ns, "first_step_ns": first_ns, "cold_start_ns": answered_ns - started_ns}
        self.figures.update(figures, clock=measure_clock().to_dict())
        with busy_thread(settings.busy_thread):
            self._back_to_back(stepper.ready)
            if settings.period_ns is not None:
                self._paced(stepper.ready, settings.period_ns)
            # Before the positions: a stream is brought to one in a single long step, which takes memory of its own.
            self.figures["peak_rss_bytes"] = peak_rss_bytes()
            if settings.at:
                conditioning = random_conditioning(model.contract, settings.batch, np.random.default_rng(settings.seed))
                for position in settings.at:
                    self._at(model, conditioning, position)

    def _loaded(self) -> Model:
        settings, begun = self._settings, perf_counter_ns()
        model = load(
            settings.path,
            threads=settings.threads,
            allow_unverified=settings.allow_unverified,
            spinning=settings.spinning,
            **settings.place,
        )
        self.figures.update(load_ns=perf_counter_ns() - begun, digest=model.digest)
        return model

    def _back_to_back(self, ready: Next) -> None:
        settings = self._settings
        recording = Recording(settings.steps, settings.warmup, settings.duration_ns)
        start = begin()
        recording.fill(lambda into, until_ns: time_steps(ready, into, until_ns))
        self._keep("back_to_back", recording, {"steps": recording.made, **end(start).to_dict()})

    def _paced(self, ready: Next, period_ns: int) -> None:
        settings = self._settings
        streams, count = 1 if settings.pool else settings.streams, paced_steps(settings)
        apart = settings.warmup if settings.warmup is not None else min(MOST, count // 4)
        from_due, from_call = (np.zeros(apart + count, np.int64) for _ in range(2))
        start = begin()
        time_paced(ready, from_due, from_call, period_ns, streams)
        self.figures["readings"]["paced"] = {"steps": apart + count, **end(start).to_dict()}
        warm = apart if settings.warmup is not None else find_warmup(from_due, apart)
        for mode, values in (("paced", from_due), ("paced_step", from_call)):
            self.figures["warmup"][mode] = warm
            self.samples[mode] = Raw(values[warm : warm + count])

    def _at(self, model: Model, conditioning: dict[str, Array], position: int) -> None:
        samples, state_bytes = at_position(model, self._settings, conditioning, position)
        self.samples[f"at_{position}"] = Raw(samples)
        self.figures["state_bytes_at"][str(position)] = state_bytes

    def _keep(self, mode: str, recording: Recording, readings: dict[str, Any]) -> None:
        self.figures["warmup"][mode], self.samples[mode] = recording.found()
        self.figures["readings"][mode] = readings


def at_position(model: Model, settings: Settings, conditioning: dict[str, Array], position: int) -> tuple[Array, int]:
    """Steps around ``position``, in several passes over a stream whose caches have room from the start; its bytes."""
    frames, limit = settings.frames, model.contract.max_context
    end = position + WINDOW // 2 * frames if limit is None else min(limit, position + WINDOW // 2 * frames)
    fill = max(0, end - (WINDOW + LEAD_IN) * frames) // frames * frames
    timed = min(WINDOW, (end - fill) // frames)
    stream = model.stream(settings.batch, conditioning, max_context=max(end, frames))
    samples = np.zeros((settings.passes, timed), np.int64)
    for number, row in enumerate(samples):
        stream.reset()
        random = np.random.default_rng(settings.seed + number)
        if fill:
            stream.step(random_frames(model.contract, settings.batch, fill, random))
        given = inputs(model, settings.batch, frames, settings.seed + number)
        stepper = Stepper(model, stream, settings, given)
        time_steps(stepper.ready, np.zeros(max(0, (end - fill) // frames - timed), np.int64))
        time_steps(stepper.ready, row)
    return samples.ravel(), stream.state_bytes


def _stepper(model: Model, settings: Settings, variety: int = INPUTS) -> Turns | Together:
    return (Together if settings.pool else Turns)(model, settings, settings.streams, variety)


def _first(ready: Next) -> tuple[int, int]:
    """How long the first step takes, and the clock's reading at its answer."""
    step, given = ready()
    begun = perf_counter_ns()
    step(given)
    answered = perf_counter_ns()
    return answered - begun, answered


def write(run: Run, folder: Path) -> None:
    """``run.json`` and ``samples.npz``."""
    arrays: dict[str, Any] = {}
    for mode, samples in run.samples.items():
        if isinstance(samples, Raw):
            arrays[mode] = samples.values
        else:
            numbers, counts = samples.bins()
            arrays |= {f"{mode}.numbers": numbers, f"{mode}.counts": counts, f"{mode}.most": np.int64(samples.most)}
    np.savez(folder / "samples.npz", **arrays)
    (folder / "run.json").write_text(json.dumps(run.figures))


def read(folder: Path) -> tuple[dict[str, Any], dict[str, Samples]]:
    """The figures and samples that a process wrote."""
    figures = json.loads((folder / "run.json").read_text())
    with np.load(folder / "samples.npz", allow_pickle=False) as arrays:
        modes = dict.fromkeys(name.partition(".")[0] for name in arrays)
        return figures, {mode: _samples(arrays, mode) for mode in modes}


def _samples(arrays: Any, mode: str) -> Samples:
    if mode in arrays:
        return Raw(arrays[mode])
    return Binned(arrays[f"{mode}.numbers"], arrays[f"{mode}.counts"], int(arrays[f"{mode}.most"]))


def main(begun_ns: int) -> None:
    """Run with settings as JSON, write into a folder: the arguments of the process, and when it was started."""
    onnxruntime()
    imported_ns = perf_counter_ns() - begun_ns
    settings = Settings.from_dict(json.loads(sys.argv[1]))
    run = Run(settings)
    run.measure(imported_ns, int(sys.argv[3]))
    write(run, Path(sys.argv[2]))
