"""Times the steps of one file in the ways of ``cases``: where, how many streams, at which position."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from time import monotonic, perf_counter_ns
from typing import Any

import numpy as np

from benchmarks.gpu.cases import CACHE_BYTES, Network, Way, too_large, ways
from edgeseq import runtime
from edgeseq.errors import EdgeseqError
from edgeseq.runtime.measuring.randoms import random_frames
from edgeseq.runtime.states import entries, frames_since

#: Steps left out before, then seconds and steps of one figure, and steps after which a transformer is taken back.
WARM, SECONDS, LEAST, MOST, STRIDE = 8, 1.0, 5, 2000, 32
#: Seconds after which no other way of a file is begun: what was measured is not to be lost to a time limit.
PATIENCE_S = 400


def measure(folder: Path, network: Network, weights: str, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """The figures of one file: a GPU with and without CUDA graph, and the CPU for float32; in nanoseconds a step."""
    models: dict[tuple[str, bool, int], runtime.Model] = {}
    found, begun = [], monotonic()
    for way in ways(network, len(os.sched_getaffinity(0))):
        if way.device == "cpu" and weights == "fp16":
            continue  # no other arithmetic than that of float32
        why = _left_out(way) if monotonic() - begun < PATIENCE_S else "the time was up"
        figure: dict[str, Any] = {"network": network.name, "weights": weights, **asdict(way)}
        if why is None:
            try:
                figure |= _time(_model(models, folder / network.file(weights, way.device != "cpu"), way), way)
            except (EdgeseqError, MemoryError) as error:
                why = str(error)
        found.append(figure if why is None else {**figure, "left_out": why})
        say(f"{network.name} {weights}, {way.name}: {why or str(figure['p50_ns'] / 1000) + ' us'}")
    return found


def _left_out(way: Way) -> str | None:
    size = way.batch * way.position * CACHE_BYTES
    if too_large(way):
        return f"its caches take {size / 2**30:.0f} GiB"
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"its caches take {size / 2**30:.1f} GiB on a host with {free / 2**30:.0f} free" if 3 * size > free else None


def _model(models: dict[tuple[str, bool, int], runtime.Model], path: Path, way: Way) -> runtime.Model:
    key = (way.device, way.cuda_graph, way.threads)
    if key not in models:
        more: dict[str, Any] = {"allow_cpu_nodes": True, "cuda_graph": None if way.cuda_graph else False}
        models[key] = runtime.load(path, way.device, way.threads, **more)
    return models[key]


def _time(model: runtime.Model, way: Way) -> dict[str, Any]:
    """Quantiles of the steps of one stream, every one of them timed."""
    if way.cuda_graph and model.device.graphs is None:
        raise EdgeseqError("it is not captured as a CUDA graph", why=model.device.uncaptured)
    limit = way.position + WARM + 2 * STRIDE if way.position else None
    with model.stream(way.batch, max_context=limit) as stream:
        given = random_frames(model.contract, way.batch, 1, np.random.default_rng(0))
        if way.position:
            jump(model, stream, way.position)
        for _ in range(WARM):
            stream.step(given)
        samples = _samples(stream, given, bool(way.position))
    low, middle, high = (float(value) for value in np.quantile(samples, (0.1, 0.5, 0.9)))
    return {"p10_ns": low, "p50_ns": middle, "p90_ns": high, "steps": len(samples), "ran_on": str(model.device)}


def _samples(stream: runtime.Stream, given: Any, goes_back: bool) -> list[int]:
    samples: list[int] = []
    until = perf_counter_ns() + int(SECONDS * 1e9)
    while len(samples) < LEAST or (perf_counter_ns() < until and len(samples) < MOST):
        begun = perf_counter_ns()
        stream.step(given)
        samples.append(perf_counter_ns() - begun)
        if goes_back and len(samples) % STRIDE == 0:
            stream.rewind(STRIDE)
    return samples


def jump(model: runtime.Model, stream: runtime.Stream, position: int) -> None:
    """Bring a stream to ``position`` with caches of zeros: what they hold does not change how long a step takes."""
    start, states = stream.snapshot(), {}
    for state in model.contract.states:
        value = start.states[state.name]
        if "capacity" in state.shape:
            shape = list(value.shape)
            shape[state.shape.index("capacity")] = entries(state, frames_since(state, position))
            value = np.zeros(shape, value.dtype)
        elif state.kind == "position":
            value = value + np.asarray(frames_since(state, position), value.dtype)
        states[state.name] = value
    stream.restore(replace(start, position=position, states=states))
