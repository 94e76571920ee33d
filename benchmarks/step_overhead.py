"""What ``stream.step`` costs on a GRU-128 beside a bare bound loop and the usual ``session.run`` loop.

    python -m benchmarks.step_overhead [--runs 15] [--json out.json]

Every subject steps the same file, one frame at a time, back to back; a figure is the median step of one process.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns

import numpy as np
import onnxruntime

from benchmarks.alternate import alternate
from edgeseq import runtime

FEATURES, HIDDEN = 64, 128
SUBJECTS = ("bare", "stream", "stream_out", "session_run")


def stepper(subject: str, path: str, frame: np.ndarray) -> Callable[[], object]:
    """A function that makes one step."""
    if subject == "stream":
        stream = runtime.load(path).stream()
        return lambda: stream.step(frame)
    if subject == "stream_out":
        stream, out = runtime.load(path).stream(), np.empty((1, 1, HIDDEN), np.float32)
        return lambda: stream.step(frame, out=out)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session_run(session, frame) if subject == "session_run" else bare(session, frame)


def session_run(session: onnxruntime.InferenceSession, frame: np.ndarray) -> Callable[[], object]:
    """The usual loop: states come back as arrays and are fed again."""
    state = np.zeros((1, 1, HIDDEN), np.float32)

    def step() -> object:
        nonlocal state
        y, state = session.run(None, {"x": frame, "h": state})
        return y

    return step


def bare(session: onnxruntime.InferenceSession, frame: np.ndarray) -> Callable[[], object]:
    """Two bindings that take turns: no check, no copy in, no copy out."""
    place = onnxruntime.OrtValue.ortvalue_from_numpy
    states = [place(np.zeros((1, 1, HIDDEN), np.float32)) for _ in range(2)]
    x, y = place(frame), place(np.zeros((1, 1, HIDDEN), np.float32))
    bindings = []
    for side in range(2):
        binding = session.io_binding()
        binding.bind_ortvalue_input("x", x)
        binding.bind_ortvalue_output("y", y)
        binding.bind_ortvalue_input("h", states[side])
        binding.bind_ortvalue_output("h.next", states[1 - side])
        bindings.append(binding)
    run, side = session.run_with_iobinding, 0

    def step() -> None:
        nonlocal side
        run(bindings[side])
        side ^= 1

    return step


def measure(subject: str, path: str, steps: int) -> float:
    """The median step in microseconds."""
    frame = np.random.default_rng(0).standard_normal((1, 1, FEATURES)).astype(np.float32)
    step = stepper(subject, path, frame)
    for _ in range(2_000):
        step()
    times = []
    for _ in range(steps):
        begin = perf_counter_ns()
        step()
        times.append(perf_counter_ns() - begin)
    return statistics.median(times) / 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--subject", choices=SUBJECTS, help=argparse.SUPPRESS)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.subject:
        sys.stdout.write(f"{measure(arguments.subject, arguments.file, arguments.steps)}\n")
        return
    with tempfile.TemporaryDirectory() as folder:
        from tests.handmade import gru

        path = gru(FEATURES, HIDDEN).save(Path(folder) / "gru128.onnx")
        command = ["-m", "benchmarks.step_overhead", "--steps", str(arguments.steps), "--file", path, "--subject"]
        result = alternate({subject: [*command, subject] for subject in SUBJECTS}, arguments.runs, "us")
    for subject in SUBJECTS:
        sys.stdout.write(f"{subject:12} p50 {result.of(subject)} us\n")
    sys.stdout.write(f"stream - bare        {result.difference('stream', 'bare')} us   (wanted: at most 1.4)\n")
    sys.stdout.write(f"stream_out - bare    {result.difference('stream_out', 'bare')} us\n")
    sys.stdout.write(f"session_run / stream {result.ratio('session_run', 'stream')}      (wanted: at least 1.3)\n")
    if arguments.json:
        result.save(arguments.json, model=f"GRU {FEATURES} to {HIDDEN}, one frame, batch 1", steps=arguments.steps)


if __name__ == "__main__":
    main()
