"""What a chunk of sound costs in Silero VAD: our step beside its own wrapper, on the same file.

python -m benchmarks.silero [--runs 21] [--json out.json]   needs the package silero-vad
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.alternate import Comparison
from benchmarks.result import Figure, Wanted
from benchmarks.script import Script, main
from benchmarks.step_overhead import timed
from edgeseq import runtime
from tests import silero

SAMPLES, RATE = 512, 16_000
SUBJECTS = ("wrapper", "stream", "stream_out")


def stepper(subject: str, path: Path, chunk: np.ndarray) -> Callable[[], object]:
    """A function that takes one chunk; the wrapper's is a torch tensor already."""
    if subject == "wrapper":
        import torch

        wrapper, tensor = silero.wrapper(path), torch.from_numpy(chunk)
        return lambda: wrapper(tensor, RATE)
    stream = runtime.adopt(path, recipe="silero-vad").stream()
    if subject == "stream":
        return lambda: stream.step(chunk)
    out = np.empty((1, 1), np.float32)
    return lambda: stream.step(chunk, out=out)


def measure(subject: str, folder: Path, steps: int) -> dict[str, float]:
    """The median chunk of one process."""
    path = silero.model_file()
    if path is None:
        raise SystemExit(f"this benchmark {silero.MISSING}: pip install silero-vad")
    noise = np.random.default_rng(0).standard_normal((1, SAMPLES))
    return {"chunk_us": timed(stepper(subject, path, (0.1 * noise).astype(np.float32)), steps)}


def figures(found: Comparison) -> tuple[Figure, ...]:
    """Every subject's chunk, and how many times faster ours is."""
    wrapper, stream, stream_out = (f"{subject}.chunk_us" for subject in SUBJECTS)
    return (
        Figure("the wrapper of silero-vad", "us", found.of(wrapper)),
        Figure("stream.step", "us", found.of(stream)),
        Figure("stream.step with out=", "us", found.of(stream_out)),
        Figure("wrapper / stream.step", "ratio", found.ratio(wrapper, stream), Wanted("at least", 1.4)),
        Figure("wrapper / stream.step with out=", "ratio", found.ratio(wrapper, stream_out)),
    )


SCRIPT = Script(
    name="silero",
    title="Silero VAD, chunk by chunk",
    about="The file silero_vad.onnx of the package silero-vad, batch 1, 512 new samples per chunk, back to back:"
    " through the package's own OnnxWrapper, which is given a torch tensor and joins it with the 64 samples before it,"
    ' and through stream.step of runtime.adopt(path, recipe="silero-vad"), which is given a numpy array, checks it'
    " and gives the same bits. Both sessions have one thread. Ratios are taken between neighbouring processes.",
    subjects=SUBJECTS,
    measure=measure,
    figures=figures,
    runs=21,
    steps=5_000,
)

if __name__ == "__main__":
    main(SCRIPT)
