"""A sensor at 100 Hz whose numbered packets get lost: the gaps are filled, the answers stay aligned in time.

python -m examples.sensor_loop motion.onnx    (made by: python -m examples.motion FOLDER)
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseq.runtime import Stream, load

Array = npt.NDArray[Any]


def motion(seconds: int, seed: int) -> tuple[Array, Array]:
    """Readings ``[frames, 6]`` of a wearer who rests, walks and runs, and which of the three ``[frames]``."""
    draw = np.random.default_rng(seed)
    kind = np.repeat(draw.integers(0, 3, seconds // 2 + 1), 200)[: 100 * seconds]
    phase = 2 * np.pi * np.cumsum(np.array([0, 2, 3.5])[kind] / 100)[:, None] + draw.uniform(0, 6, 6)
    readings = kind[:, None] * np.sin(phase) + 0.3 * draw.standard_normal(phase.shape)
    return readings.astype(np.float32), kind


def received(readings: Array, lost: Array) -> Iterator[tuple[int, Array]]:
    return (packet for packet in enumerate(readings) if not lost[packet[0]])


def followed(stream: Stream, packets: Iterable[tuple[int, Array]], total: int) -> Array:
    """An answer for every reading of ``total``, whether its packet came or not: ``[total, kinds]``."""
    answers: list[Any] = []
    for number, reading in packets:
        if number < stream.frames_in:
            continue  # twice, or too late: its place was filled
        if number > stream.frames_in:
            answers.append(stream.missing(number - stream.frames_in))
        answers.append(stream.step(reading[None, None]))
    if stream.frames_in < total:
        answers.append(stream.missing(total - stream.frames_in))
    (answered,) = np.concatenate([*answers, stream.flush()], axis=1)
    return np.asarray(answered)


def main(path: str, seconds: int = 60) -> None:
    model, (readings, kind) = load(path), motion(seconds, seed=1)
    lost = np.convolve(np.random.default_rng(2).random(len(readings)) < 0.01, np.ones(5))[: len(readings)] > 0
    whole = np.asarray(model.run(readings[None]))[0].argmax(1)
    got = followed(model.stream(on_missing="hold"), received(readings, lost), len(readings)).argmax(1)
    print(f"{len(readings)} readings, {lost.sum()} lost in {sum(np.diff(1 * lost) > 0)} gaps; {len(got)} answers")
    print(f"right: {np.mean(whole == kind):.1%} of all, with the gaps {np.mean(got == kind):.1%}")
    print(f"differ: {(got != whole)[lost].sum()} where readings were lost, {(got != whole)[~lost].sum()} elsewhere")


if __name__ == "__main__":
    main(sys.argv[1])
