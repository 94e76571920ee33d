"""A tick of a pool beside its streams stepped one by one, and beside onnxruntime's own batch of the same size.

python -m benchmarks.pool_tick [--runs 11] [--json out.json]
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.alternate import Comparison
from benchmarks.result import Figure, Wanted
from benchmarks.script import Script, main
from benchmarks.step_overhead import FEATURES, timed
from edgeseq import runtime
from edgeseq.contract import resolve_shape
from edgeseq.runtime.pool.bindings import Bindings

STREAMS, MANY, MOST = 256, 5_000, 10_000
WIDTHS = (128, 512)
WAYS = ("one_by_one", "pool", "pool_out", "batch")


def write_files(folder: Path) -> None:
    """A GRU of each width."""
    from benchmarks.models import write_grus

    write_grus(folder, WIDTHS)


def frames(count: int) -> np.ndarray:
    """One frame for each of so many streams."""
    return np.random.default_rng(0).standard_normal((count, 1, FEATURES)).astype(np.float32)


def stepper(way: str, path: Path) -> Callable[[], object]:
    """What takes one frame of each of 256 streams."""
    model, x = runtime.load(path), frames(STREAMS)
    if way == "one_by_one":
        streams = [(model.stream(), x[row : row + 1].copy()) for row in range(STREAMS)]
        return lambda: [stream.step(frame) for stream, frame in streams]
    if way == "batch":
        return bare_batch(model, x)
    pool = model.pool(STREAMS)
    slots = np.array([pool.open() for _ in range(STREAMS)], np.int32)
    if way == "pool":
        return lambda: pool.step(slots, x)
    out = np.empty_like(pool.step(slots, x))
    return lambda: pool.step(slots, x, None, out)


def bare_batch(model: runtime.Model, x: np.ndarray) -> Callable[[], object]:
    """``run_with_iobinding`` on a batch of all streams, states taking turns, nothing else."""
    import onnxruntime

    state = model.contract.states[0]
    shape = resolve_shape(state.shape, {"batch": len(x)})
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(shape, np.float32)) for _ in range(2)]
    frame = onnxruntime.OrtValue.ortvalue_from_numpy(x)
    y = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros((len(x), 1, shape[-1]), np.float32))
    bindings = []
    for side in range(2):
        binding = model.session.io_binding()
        binding.bind_ortvalue_input(model.contract.with_role("frame")[0].name, frame)
        binding.bind_ortvalue_input(state.input, values[side])
        binding.bind_ortvalue_output(model.contract.with_role("output")[0].name, y)
        binding.bind_ortvalue_output(state.output, values[1 - side])
        bindings.append(binding)
    turns = itertools.cycle(bindings)
    return lambda: model.session.run_with_iobinding(next(turns))


def around(path: Path, steps: int) -> float:
    """Microseconds of a tick of 5,000 streams that are not onnxruntime's: the tick less the run inside it."""
    model, x = runtime.load(path), frames(MANY)
    pool = model.pool(MANY)
    slots = np.array([pool.open() for _ in range(MANY)], np.int32)
    inside, run = [0.0], Bindings.run

    def timed_run(self: Bindings, *args: Any) -> None:
        begun = time.perf_counter()
        run(self, *args)
        inside[0] = time.perf_counter() - begun

    setattr(Bindings, "run", timed_run)  # noqa: B010  a method of a class is not assigned otherwise
    left = []
    for _ in range(steps):
        begun = time.perf_counter()
        pool.step(slots, x)
        left.append(time.perf_counter() - begun - inside[0])
    return 1e6 * float(np.median(left))


def most(path: Path) -> tuple[float, float]:
    """Streams that one process steps together, and bytes that each of them takes beside its state, twice."""
    model, x = runtime.load(path), frames(MOST)
    pool = model.pool(MOST)
    slots = np.array([pool.open() for _ in range(MOST)], np.int32)
    for _ in range(3):
        answer = pool.step(slots, x)
    assert len(answer) == MOST
    state = 2 * 4 * answer.shape[-1]
    return float(len(pool)), pool.stats()["held_bytes"] / MOST - state


def measure(subject: str, folder: Path, steps: int) -> dict[str, float]:
    """The median of one process."""
    if subject == "many":
        path = folder / f"{WIDTHS[0]}.onnx"
        streams, beside = most(path)
        return {"around_us": around(path, max(20, steps // 10)), "streams": streams, "beside_bytes": beside}
    width, way = subject.split("-")
    return {"tick_us": timed(stepper(way, folder / f"{width}.onnx"), steps)}


def figures(found: Comparison) -> tuple[Figure, ...]:
    """By width: the ticks, what a stream gains, how near to onnxruntime's own batch; then thousands of streams."""
    made: list[Figure] = []
    for width, gain in zip(WIDTHS, (3.0, 2.2), strict=True):
        single, pool, out, batch = (f"{width}-{way}.tick_us" for way in WAYS)
        name = f"GRU-{width}, {STREAMS} streams"
        made += [
            Figure(f"{name}: one by one", "us", found.of(single)),
            Figure(f"{name}: a tick of the pool", "us", found.of(pool)),
            Figure(f"{name}: one by one / pool", "ratio", found.ratio(single, pool), Wanted("at least", gain)),
            Figure(
                f"{name}: onnxruntime's own batch / pool", "ratio", found.ratio(batch, pool), Wanted("at least", 0.8)
            ),
            Figure(f"{name}: onnxruntime's own batch / pool with out", "ratio", found.ratio(batch, out)),
        ]
    return (
        *made,
        Figure(
            f"a tick of {MANY:,} streams, without onnxruntime's run",
            "us",
            found.of("many.around_us"),
            Wanted("at most", 500),
        ),
        Figure("streams in one process, stepped together", "", found.of("many.streams"), Wanted("at least", MOST)),
        Figure(
            "memory of a stream beside its state, twice", "B", found.of("many.beside_bytes"), Wanted("at most", 1024)
        ),
    )


SCRIPT = Script(
    name="pool_tick",
    title="A pool of streams",
    about="One-layer GRUs over 64 features, one frame per stream and tick, one thread, back to back. One by one: 256"
    " streams of their own, stepped in turn. onnxruntime's own batch: run_with_iobinding on 256 rows, no checks, no"
    " copies. Beside its state: what the pool holds for a stream, less its state twice.",
    subjects=(*(f"{width}-{way}" for width in WIDTHS for way in WAYS), "many"),
    measure=measure,
    figures=figures,
    runs=7,
    steps=200,
    files={"exported": write_files},
)

if __name__ == "__main__":
    main(SCRIPT)
