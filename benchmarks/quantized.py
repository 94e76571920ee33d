"""One frame through a quantized file against the float one: recurrent layers, and a GPT at position 256.

python -m benchmarks.quantized [--runs 7] [--json out.json]
"""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from time import perf_counter_ns

import numpy as np

from benchmarks.alternate import Comparison, Spread, spread
from benchmarks.result import Figure, Wanted
from benchmarks.script import Script, main
from edgeseq import runtime

FEATURES, POSITION, STEPS = 64, 256, 400
#: Layers and hidden size of each recurrent stack.
STACKS = {"LSTM-2x512": ("LSTM", 2, 512), "GRU-2x512": ("GRU", 2, 512), "RNN-2x512": ("RNN", 2, 512)}
SMALL = {"GRU-1x128": ("GRU", 1, 128)}
GPT = "GPT-6x384"
MODELS = (*STACKS, *SMALL, GPT)
KINDS = {"float": "float32", "int8": "int8-dynamic", "int4": "int4-weights"}
#: How many times faster int8 has to be.
FASTER = {"LSTM-2x512": 4.0, "GRU-2x512": 2.5, "RNN-2x512": 2.0, GPT: 2.0}
#: Bytes that are read over and over to find the bandwidth at a working set.
READ = 2**28


def write_files(folder: Path) -> None:
    """Every model in float32, in 8 and in 4 bits; random weights cost what trained ones do."""
    import torch

    import edgeseq
    from benchmarks.models import GPT as Gpt
    from benchmarks.models import Stack
    from edgeseq.quantization import Int4Weights, Int8Dynamic, quantize

    for name in MODELS:
        torch.manual_seed(0)
        stack = {**STACKS, **SMALL}.get(name)
        model = Gpt() if stack is None else Stack(*stack)
        inputs = {"tokens": "int64[batch,time]"} if stack is None else {"x": f"float32[batch,time,{FEATURES}]"}
        path = folder / f"{name}.float.onnx"
        edgeseq.export(model, inputs, path, golden=False)
        kernel = Int8Dynamic(kernel="blocks")
        for kind, config in (("int8", kernel), ("int4", Int4Weights())):
            quantize(path, config, folder / f"{name}.{kind}.onnx", measure=False)


def measure(subject: str, folder: Path, steps: int) -> dict[str, float]:
    """The median step of one file, its size, and the bandwidth at the size of its weights."""
    path = folder / f"{subject}.onnx"
    model = runtime.load(path)
    samples = _at_position(model, steps) if subject.startswith(GPT) else _steps(model, steps)
    size = path.stat().st_size
    weights = size if not subject.startswith(GPT) else size - _positions(subject)
    return {
        "step_us": statistics.median(samples) / 1000,
        "file_KiB": size / 1024,
        "read_GBs": bandwidth(weights),
        "weights_KiB": weights / 1024,
    }


def _positions(subject: str) -> int:
    """Bytes of the GPT's table of positions, of which a step reads one row."""
    from benchmarks.models import GPT_POSITIONS, GPT_WIDTH

    bits = {"float": 32, "int8": 8.25, "int4": 4.25}[subject.rpartition(".")[2]]
    return int(GPT_POSITIONS * GPT_WIDTH * bits / 8)


def _steps(model: runtime.Model, steps: int) -> list[int]:
    stream, samples = model.stream(), []
    frames = np.random.default_rng(0).standard_normal((64, 1, 1, FEATURES)).astype(np.float32)
    for number in range(steps + 100):
        frame = frames[number % 64]
        begin = perf_counter_ns()
        stream.step(frame)
        samples.append(perf_counter_ns() - begin)
    return samples[100:]


def _at_position(model: runtime.Model, steps: int) -> list[int]:
    """Steps from the position on; the prompt before it is taken in one call."""
    samples: list[int] = []
    prompt = np.random.default_rng(0).integers(0, 65, (1, POSITION))
    while len(samples) < steps:
        stream = model.stream(max_context=2 * POSITION)
        stream.step(prompt)
        for number in range(20):
            token = prompt[:, number : number + 1]
            begin = perf_counter_ns()
            stream.step(token)
            samples.append(perf_counter_ns() - begin)
    return samples


def bandwidth(size: int) -> float:
    """GB/s at which numpy's dot product reads ``size`` bytes again and again, on one thread: the fastest time."""
    halves = [np.ones(max(1, size // 8), np.float32) for _ in range(2)]
    fastest = math.inf
    for _ in range(max(20, READ // size)):
        begin = perf_counter_ns()
        halves[0].dot(halves[1])
        fastest = min(fastest, perf_counter_ns() - begin)
    return size / fastest


def figures(found: Comparison) -> tuple[Figure, ...]:
    """Model by model: steps, how many times faster, the size, and the step over the time its weights take to read."""
    return tuple(figure for name in MODELS for figure in _figures(found, name))


def _figures(found: Comparison, name: str) -> list[Figure]:
    steps = {kind: f"{name}.{kind}.step_us" for kind in KINDS}
    rows = [Figure(f"{name}, {words}", "us", found.of(steps[kind])) for kind, words in KINDS.items()]
    wanted = FASTER.get(name)
    for kind in ("int8", "int4"):
        least = Wanted("at least", wanted) if wanted and kind == "int8" else None
        rows.append(Figure(f"{name}, float / {kind}", "ratio", found.ratio(steps["float"], steps[kind]), least))
    for kind, share in (("int8", 0.265), ("int4", 1 / 7)):
        size = found.ratio(f"{name}.{kind}.file_KiB", f"{name}.float.file_KiB")
        wanted_size = Wanted("at most", round(share, 3)) if kind == "int4" or name in STACKS else None
        rows.append(Figure(f"{name}, size of {kind} / float", "ratio", size, wanted_size))
    rows += [
        Figure(f"{name}, {words}, step / floor", "ratio", _over_floor(found, name, kind))
        for kind, words in KINDS.items()
    ]
    return rows


def _over_floor(found: Comparison, name: str, kind: str) -> Spread:
    """The step over the time in which the weights can be read once, process by process."""
    step, weights, speed = (found.values[f"{name}.{kind}.{key}"] for key in ("step_us", "weights_KiB", "read_GBs"))
    floors = (size * 1024 / (rate * 1000) for size, rate in zip(weights, speed, strict=True))
    return spread([took / floor for took, floor in zip(step, floors, strict=True)])


SCRIPT = Script(
    name="quantized",
    title="A quantized step against a float one",
    about=f"One frame, one stream, one thread: recurrent stacks of {FEATURES} features, and a GPT of six layers of 384"
    f" from position {POSITION} on. The floor is the time in which the file's weights can be read once, at the best"
    " bandwidth of numpy's dot product at a working set of their size (of the GPT's table of positions a row is read)."
    " Beside the weights, a scale in float32 for 128 of them takes 3 % of 8 bits and 6 % of 4.",
    subjects=tuple(f"{name}.{kind}" for name in MODELS for kind in KINDS),
    measure=measure,
    figures=figures,
    runs=7,
    steps=STEPS,
    files={"all": write_files},
)

if __name__ == "__main__":
    main(SCRIPT)
