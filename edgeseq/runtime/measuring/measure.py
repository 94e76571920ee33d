"""Measures a file: what is asked for, checked; the runs; what they found together."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgeseq.errors import UsageError
from edgeseq.runtime.loading import load
from edgeseq.runtime.measuring.alternating import alternate
from edgeseq.runtime.measuring.gathering import gather
from edgeseq.runtime.measuring.latency import Latency
from edgeseq.runtime.measuring.settings import Settings
from edgeseq.runtime.measuring.worker import WINDOW
from edgeseq.runtime.model import Model
from edgeseq.runtime.threads import session_settings

#: Samples wanted around each position of ``at``: enough for a p90.
SAMPLES_AT = 100
#: Steps of one process and mode, and processes, where nothing else is asked for.
STEPS, RUNS = 1000, 10


def measure(
    path: str | os.PathLike[str],
    steps: int = STEPS,
    period: float | None = None,
    runs: int = RUNS,
    warmup: int | None = None,
    batch: int = 1,
    threads: int | None = None,
    device: str = "cpu",
    at: Sequence[int] | None = None,
    progress: Callable[[int, int], None] | None = None,
    *,
    deadline: float | None = None,
    chunk: int | None = None,
    allow_unverified: bool = False,
    duration: float | None = None,
    streams: int = 1,
    pool: bool = False,
    busy_thread: bool = False,
    provider: str | None = None,
    provider_options: Mapping[str, str] | None = None,
    allow_cpu_nodes: bool = False,
    cuda_graph: bool | None = None,
) -> Latency:
    """Time every step of the file at ``path`` in ``runs`` fresh processes, one after another.

    Each run makes ``steps`` steps back to back and, where ``period`` (seconds) is given, ``steps`` paced ones, or as
    many of each as ``duration`` (seconds) has: back to back is what a loop over a file sees, paced is what a live
    signal sees. ``warmup`` steps before them are left out, None: as many as the samples show to be. A step is ``chunk``
    base frames, the fewest that the contract allows where not given, with random inputs; a stream that is full is reset
    between two steps. ``streams`` independent ones take turns, all due at once in every period, or are stepped together
    as a ``pool``. ``threads`` None are those that ``load`` takes; ``busy_thread`` has a thread of Python compute beside
    the steps. ``deadline`` (seconds) is held against the paced steps, from the moment each was due. ``at`` lists
    positions around which steps are timed too, in several passes. ``progress`` is called with the runs done and the
    runs in all. The result names the digest of the file as it was measured, which ``allow_unverified`` lets differ from
    the one that was verified. ``device``, ``provider``, its options, ``allow_cpu_nodes`` and ``cuda_graph`` are
    those of ``load``.

    Raises what ``load`` raises, UsageError for arguments that mean nothing, ProviderError when a process fails.
    """
    check_counts(runs=runs)
    deadline_ns = nanoseconds("deadline", deadline)
    if deadline_ns is not None and period is None:
        raise UsageError("a deadline is held against paced steps", wanted="a period beside it")
    settings = settings_for(
        path,
        steps=steps,
        period=period,
        warmup=warmup,
        batch=batch,
        threads=threads,
        device=device,
        at=at,
        chunk=chunk,
        allow_unverified=allow_unverified,
        duration=duration,
        streams=streams,
        pool=pool,
        busy_thread=busy_thread,
        provider=provider,
        provider_options=provider_options,
        allow_cpu_nodes=allow_cpu_nodes,
        cuda_graph=cuda_graph,
    )
    told = None if progress is None else lambda name, done, total: progress(done, total) if done else None
    reports = alternate({"file": settings}, runs, progress=told)["file"]
    if progress is not None:
        progress(runs, runs)
    return gather(settings, reports, deadline_ns)


def settings_for(
    path: str | os.PathLike[str],
    *,
    steps: int = STEPS,
    period: float | None = None,
    warmup: int | None = None,
    batch: int = 1,
    threads: int | None = None,
    device: str = "cpu",
    at: Sequence[int] | None = None,
    chunk: int | None = None,
    allow_unverified: bool = False,
    duration: float | None = None,
    streams: int = 1,
    pool: bool = False,
    busy_thread: bool = False,
    seed: int = 0,
    provider: str | None = None,
    provider_options: Mapping[str, str] | None = None,
    allow_cpu_nodes: bool = False,
    cuda_graph: bool | None = None,
) -> Settings:
    """What a process is told that measures as :func:`measure` says. Raises what that raises for a wrong call."""
    check_counts(steps=steps, batch=batch, streams=streams)
    if warmup is not None and (type(warmup) is not int or warmup < 0):
        raise UsageError("warmup must be a whole number from 0", got=repr(warmup))
    if pool and batch != 1:
        raise UsageError("a pool is a batch of single streams", got=f"batch {batch}", wanted="--streams alone")
    if pool and at:
        raise UsageError("steps around a position are those of one stream", got="a pool", wanted="at without a pool")
    options = {name: str(value) for name, value in (provider_options or {}).items()} or None
    place: dict[str, Any] = {"provider": provider, "provider_options": options, "allow_cpu_nodes": allow_cpu_nodes}
    place["cuda_graph"] = cuda_graph
    model = load(path, device=device, threads=threads, allow_unverified=allow_unverified, **place)
    count, spinning = session_settings(model.contract, device, threads)
    return Settings(
        path=os.path.abspath(model.path),
        steps=steps,
        period_ns=nanoseconds("period", period),
        warmup=warmup,
        batch=batch,
        threads=count,
        device=device,
        frames=_frames(chunk, model),
        at=_positions(at, model),
        passes=math.ceil(SAMPLES_AT / WINDOW),
        seed=seed,
        allow_unverified=allow_unverified,
        spinning=spinning,
        duration_ns=nanoseconds("duration", duration),
        streams=streams,
        pool=pool,
        busy_thread=busy_thread,
        **place,
    )


def check_counts(**counts: object) -> None:
    """UsageError where one is no whole number from 1."""
    for name, count in counts.items():
        if type(count) is not int or count < 1:
            raise UsageError(f"{name} must be a whole number from 1", got=repr(count))


def nanoseconds(name: str, seconds: float | None) -> int | None:
    """Seconds in nanoseconds; UsageError where they mean nothing."""
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 5e-10 < seconds < 3600:
        raise UsageError(f"{name} must be a number of seconds above 0", got=repr(seconds))
    return round(seconds * 1e9)


def _frames(chunk: int | None, model: Model) -> int:
    """Base frames of one step."""
    multiple, limit = model.contract.chunk.multiple, model.contract.max_context
    if chunk is None:
        return multiple
    check_counts(chunk=chunk)
    if chunk % multiple:
        raise UsageError("chunk must fill whole calls", got=chunk, wanted=f"a multiple of {multiple}")
    if limit is not None and chunk > limit:
        raise UsageError("chunk is more than the model's context", got=chunk, wanted=f"at most {limit}")
    return chunk


def _positions(at: Sequence[int] | None, model: Model) -> tuple[int, ...]:
    positions = tuple(at or ())
    check_counts(**{f"position {index} of at": position for index, position in enumerate(positions)})
    limit = model.contract.max_context
    if limit is not None and any(position > limit for position in positions):
        raise UsageError(
            "there are no steps to time around that position",
            why="the model's context ends before it",
            got=f"at {max(positions)}",
            wanted=f"at most {limit}",
        )
    return positions
