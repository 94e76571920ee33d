"""What ``stream.step`` costs on a GRU-128 beside a bare bound loop and the usual ``session.run`` loop.

python -m benchmarks.step_overhead [--runs 21] [--graph exported|handmade] [--json out.json]
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns

import numpy as np
import onnxruntime

from benchmarks.alternate import Comparison
from benchmarks.result import Figure, Wanted
from benchmarks.script import Script, main
from edgeseq import runtime
from edgeseq.contract import METADATA_KEY, Contract
from edgeseq.runtime.engine import binding_handle, bound_run, run_options

FEATURES, HIDDEN = 64, 128
WARM_UP = 2_000
SUBJECTS = ("bare", "inner", "stream", "stream_out", "pass", "pass_out", "session_run")
Step = Callable[[], object]


def write_exported(folder: Path) -> None:
    """The file that edgeseq exports from an ordinary module."""
    from benchmarks.models import write_gru

    write_gru(folder)


def write_handmade(folder: Path) -> None:
    """The barest graph there is: one GRU op between Squeeze and Unsqueeze."""
    from tests.handmade import gru

    gru(FEATURES, HIDDEN).save(folder / "model.onnx")


def stepper(subject: str, path: Path, frame: np.ndarray) -> Step:
    """A function that makes one step."""
    if subject.startswith(("stream", "pass")):
        stream = runtime.load(path).stream(on_nonfinite="pass" if subject.startswith("pass") else "raise")
        out = np.empty((1, 1, HIDDEN), np.float32)
        return (lambda: stream.step(frame, out=out)) if subject.endswith("out") else (lambda: stream.step(frame))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    contract = Contract.from_json(session.get_modelmeta().custom_metadata_map[METADATA_KEY])
    if subject == "session_run":
        return session_run(session, contract, frame)
    return bare(session, contract, frame, inner=subject == "inner")


def session_run(session: onnxruntime.InferenceSession, contract: Contract, frame: np.ndarray) -> Step:
    """The usual loop: states come back as arrays and are fed again."""
    x, h = contract.with_role("frame")[0].name, contract.states[0].input
    state = np.zeros((1, 1, HIDDEN), np.float32)

    def step() -> object:
        nonlocal state
        y, state = session.run(None, {x: frame, h: state})
        return y

    return step


def bare(session: onnxruntime.InferenceSession, contract: Contract, frame: np.ndarray, inner: bool) -> Step:
    """Two bindings that take turns: no check, no copy in, no copy out.

    ``inner`` goes below onnxruntime's Python wrapper and keeps the run's options, as ``stream.step`` does.
    """
    place = onnxruntime.OrtValue.ortvalue_from_numpy
    states = [place(np.zeros((1, 1, HIDDEN), np.float32)) for _ in range(2)]
    x, y = place(frame), place(np.zeros((1, 1, HIDDEN), np.float32))
    bindings = [session.io_binding() for _ in range(2)]
    for side, binding in enumerate(bindings):
        binding.bind_ortvalue_input(contract.with_role("frame")[0].name, x)
        binding.bind_ortvalue_output(contract.with_role("output")[0].name, y)
        binding.bind_ortvalue_input(contract.states[0].input, states[side])
        binding.bind_ortvalue_output(contract.states[0].output, states[1 - side])
    handles = [binding_handle(session, binding) for binding in bindings] if inner else bindings
    run, options = (bound_run(session), run_options()) if inner else (session.run_with_iobinding, None)
    side = 0

    def step() -> None:
        nonlocal side
        run(handles[side], options)
        side ^= 1

    return step


def timed(step: Step, steps: int) -> float:
    """The median time of a step in microseconds, after a warm-up."""
    for _ in range(WARM_UP):
        step()
    times = []
    for _ in range(steps):
        begin = perf_counter_ns()
        step()
        times.append(perf_counter_ns() - begin)
    return statistics.median(times) / 1_000


def measure(subject: str, folder: Path, steps: int) -> dict[str, float]:
    """The median step of one process."""
    frame = np.random.default_rng(0).standard_normal((1, 1, FEATURES)).astype(np.float32)
    return {"step_us": timed(stepper(subject, folder / "model.onnx", frame), steps)}


def figures(found: Comparison) -> tuple[Figure, ...]:
    """Every subject's step, and how far they are apart."""
    bare, inner, stream, stream_out, passed, passed_out, session_run = (f"{subject}.step_us" for subject in SUBJECTS)
    return (
        Figure("bare run_with_iobinding", "us", found.of(bare)),
        Figure("the same below its Python wrapper", "us", found.of(inner)),
        Figure("stream.step", "us", found.of(stream)),
        Figure("stream.step with out=", "us", found.of(stream_out)),
        Figure("session.run, states fed back", "us", found.of(session_run)),
        Figure("stream.step - bare", "us", found.difference(stream, bare), Wanted("at most", 1.2)),
        Figure("stream.step - the loop below the wrapper", "us", found.difference(stream, inner)),
        Figure("stream.step with out= - bare", "us", found.difference(stream_out, bare), Wanted("at most", 1.0)),
        Figure("on_nonfinite='pass' - bare", "us", found.difference(passed, bare), Wanted("at most", 0.9)),
        Figure(
            "on_nonfinite='pass' with out= - bare", "us", found.difference(passed_out, bare), Wanted("at most", 0.7)
        ),
        Figure("session.run / stream.step", "ratio", found.ratio(session_run, stream), Wanted("at least", 1.3)),
        Figure("session.run / bare", "ratio", found.ratio(session_run, bare)),
    )


SCRIPT = Script(
    name="step_overhead",
    title="What a step costs beyond onnxruntime",
    about="One layer of GRU, 64 features to 128, batch 1, one frame per step, back to back. The same file is stepped by"
    " stream.step, checks and the copied answer included; by a bare loop over two pre-built bindings, without either,"
    " through run_with_iobinding and through the compiled function below it with run options that are kept (as in"
    " stream.step); and by the usual session.run loop. Differences and ratios are taken between neighbouring"
    " processes.",
    subjects=SUBJECTS,
    measure=measure,
    figures=figures,
    runs=21,
    steps=20_000,
    files={"exported": write_exported, "handmade": write_handmade},
)

if __name__ == "__main__":
    main(SCRIPT)
