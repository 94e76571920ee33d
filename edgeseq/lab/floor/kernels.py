"""What this machine can do at best, in this process: read, multiply, call. The best of several ways of doing each."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np

from edgeseq.lab.floor.graphs import identity, product
from edgeseq.runtime.devices import Array
from edgeseq.runtime.engine import binding_handle, bound_run, onnxruntime, open_session, run_options

#: Samples of each way, the best of which counts, and the bytes that one reads again and again.
SAMPLES = 15
PASSED_BYTES = 60_000_000
#: Below, the cost of a call of onnxruntime hides that of reading; above, all ways wait for memory alike.
_ENGINE_BYTES = (2**18, 2**25)
#: Rows, inner size and columns of the product that shows the peak: 0.75 MiB of float32, which an L2 cache holds.
_PEAK = 256
_CALLS = 3000


def read_bytes_per_s(size: int, threads: int = 1) -> float:
    """Bytes of ``size`` that are read again and again, per second: what the cache that they fit in gives."""
    numbers = np.ones(max(2, size // 4), np.float32)
    times = max(1, PASSED_BYTES // size)
    rates = [4 * numbers.size * times / _best(way(numbers, times)) for way in (_greatest, _dots)]
    if _ENGINE_BYTES[0] <= size <= _ENGINE_BYTES[1]:
        rates.append(_matrix_vector(size, threads))
    return 1e9 * max(rates)


def multiply_adds_per_s(kind: str, threads: int = 1) -> float:
    """Multiply-adds of a product of matrices that fit a cache, per second; ``kind`` is ``float32`` or ``int8``."""
    weights = np.ones((_PEAK, _PEAK), kind)
    x = np.ones((_PEAK, _PEAK), np.uint8 if kind == "int8" else np.float32)
    best = _best(_session_run(product(_PEAK, weights), x, (_PEAK, _PEAK), threads))
    if kind == "float32":
        out = np.empty_like(weights)
        best = min(best, _best(lambda: np.matmul(x, weights, out=out)))
    return 1e9 * _PEAK**3 / best


def call_ns() -> float:
    """The median time of a step through a graph of one node that copies one number."""
    run = _session_run(identity(), np.ones(1, np.float32), (1,), 1)
    samples = []
    for _ in range(_CALLS):
        begin = perf_counter_ns()
        run()
        samples.append(perf_counter_ns() - begin)
    return float(np.median(samples[_CALLS // 10 :]))


def _greatest(numbers: Array, times: int) -> Callable[[], object]:
    """The greatest number, ``times`` over in one call; as whole numbers, for which processors have an instruction."""
    whole = numbers.view(np.int32)
    again = np.lib.stride_tricks.as_strided(whole, (times, whole.size), (0, 4), writeable=False)
    return lambda: np.maximum.reduce(again, axis=1)


def _dots(numbers: Array, times: int) -> Callable[[], object]:
    """The product of one half with the other, ``times`` over in one call."""
    half = numbers.size // 2
    rows = np.broadcast_to(numbers[:half], (times, 1, half))
    columns = np.broadcast_to(numbers[half : 2 * half, None], (times, half, 1))
    out = np.empty((times, 1, 1), np.float32)
    return lambda: np.matmul(rows, columns, out=out)


def _matrix_vector(size: int, threads: int) -> float:
    """Bytes per nanosecond of onnxruntime's product of a vector and a matrix, which is what most steps are made of.

    The cost of calling it is taken off: it stands in the floor by itself.
    """
    width = int((size / 4) ** 0.5)
    weights = np.ones((width, width), np.float32)
    vector = np.ones((1, width), np.float32)
    run = _session_run(product(1, weights), vector, (1, width), threads)
    called = _best(_session_run(identity(), np.ones(1, np.float32), (1,), 1), 20 * SAMPLES)
    return float(weights.nbytes / max(1.0, _best(run, 10 * SAMPLES) - called))


def _session_run(model: bytes, x: Array, shape: tuple[int, ...], threads: int) -> Callable[[], object]:
    """What runs a graph once, bound as the runtime binds its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.onnx"
        path.write_bytes(model)
        session = open_session(str(path), threads, ["CPUExecutionProvider"])
    return bound_call(session, x, shape)


def bound_call(session: Any, x: Array, shape: tuple[int, ...]) -> Callable[[], object]:
    """What runs once a graph with one input ``x`` and one output ``y`` of this shape."""
    value = onnxruntime().OrtValue.ortvalue_from_numpy
    out = np.empty(shape, np.int32 if x.dtype == np.uint8 else np.float32)
    binding = session.io_binding()
    binding.bind_ortvalue_input("x", value(x))
    binding.bind_ortvalue_output("y", value(out))
    run, handle, options = bound_run(session), binding_handle(session, binding), run_options()

    def call(_kept: object = (binding, x, out)) -> None:
        run(handle, options)

    return call


def _best(call: Callable[[], object], samples: int = SAMPLES) -> int:
    """The least nanoseconds of a call, the first one apart."""
    call()
    found = []
    for _ in range(samples):
        begin = perf_counter_ns()
        call()
        found.append(perf_counter_ns() - begin)
    return max(1, min(found))
