"""``stream.step`` against the usual ``session.run`` loop on one layer of RNN, LSTM and GRU.

python -m benchmarks.recurrent_layers [--runs 11] [--json out.json]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from benchmarks.alternate import Comparison
from benchmarks.result import Figure, Wanted
from benchmarks.script import Script, main
from benchmarks.step_overhead import FEATURES, HIDDEN, Step, timed
from edgeseq import runtime
from edgeseq.contract import METADATA_KEY, Contract

KINDS = ("RNN", "LSTM", "GRU")
WAYS = ("session_run", "stream", "stream_out")


def write_files(folder: Path) -> None:
    """The three files."""
    from benchmarks.models import write_layers

    write_layers(folder)


def session_run(path: Path, frame: np.ndarray) -> Step:
    """The usual loop: states come back as arrays and are fed again."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    contract = Contract.from_json(session.get_modelmeta().custom_metadata_map[METADATA_KEY])
    inputs = [state.input for state in contract.states]
    outputs = [contract.with_role("output")[0].name, *(state.output for state in contract.states)]
    feeds = {name: np.zeros((1, 1, HIDDEN), np.float32) for name in inputs}
    feeds[contract.with_role("frame")[0].name] = frame

    def step() -> object:
        y, *states = session.run(outputs, feeds)
        feeds.update(zip(inputs, states, strict=True))
        return y

    return step


def measure(subject: str, folder: Path, steps: int) -> dict[str, float]:
    """The median step of one process."""
    kind, way = subject.split("-")
    frame = np.random.default_rng(0).standard_normal((1, 1, FEATURES)).astype(np.float32)
    if way == "session_run":
        return {"step_us": timed(session_run(folder / f"{kind}.onnx", frame), steps)}
    stream, out = runtime.load(folder / f"{kind}.onnx").stream(), np.empty((1, 1, HIDDEN), np.float32)
    step = (lambda: stream.step(frame)) if way == "stream" else (lambda: stream.step(frame, out=out))
    return {"step_us": timed(step, steps)}


def figures(found: Comparison) -> tuple[Figure, ...]:
    """By layer: the steps, and how much faster ours is."""
    made: list[Figure] = []
    for kind in KINDS:
        run, stream, out = (f"{kind}-{way}.step_us" for way in WAYS)
        made += [
            Figure(f"{kind}: session.run, states fed back", "us", found.of(run)),
            Figure(f"{kind}: stream.step", "us", found.of(stream)),
            Figure(f"{kind}: session.run / stream.step", "ratio", found.ratio(run, stream), Wanted("at least", 1.3)),
            Figure(f"{kind}: session.run / stream.step with out=", "ratio", found.ratio(run, out)),
        ]
    return tuple(made)


SCRIPT = Script(
    name="recurrent_layers",
    title="Against the usual loop",
    about="One layer of RNN, LSTM and GRU, 64 features to 128, batch 1, one frame per step, back to back: stream.step,"
    " checks and the copied answer included, and a loop that feeds back what session.run returns. Ratios are taken"
    " between neighbouring processes.",
    subjects=tuple(f"{kind}-{way}" for kind in KINDS for way in WAYS),
    measure=measure,
    figures=figures,
    runs=11,
    steps=20_000,
    files={"exported": write_files},
)

if __name__ == "__main__":
    main(SCRIPT)
