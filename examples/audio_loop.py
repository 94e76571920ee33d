"""An audio device's loop: 10 ms blocks at 48 kHz, a model of frames of 512 with hop 256, the same blocks out.

python -m examples.audio_loop gate.onnx noisy.wav clean.wav    (the first two: python -m examples.gate FOLDER)
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseq.io.blocks import Blocks, Frames
from edgeseq.io.wav import open_wav, save_wav
from edgeseq.runtime import load

Array = npt.NDArray[Any]
BLOCK = 480


def magnitudes(frames: Array) -> Array:
    return np.abs(np.fft.rfft(frames)).astype(np.float32)


def masked(mask: Array, frames: Array) -> Array:
    return np.fft.irfft(mask * np.fft.rfft(frames))


SPECTRA = Frames(512, 256, features=magnitudes, apply=masked)


def callbacks(adapter: Blocks, blocks: Iterable[Array], period: float, late: list[bool]) -> Iterator[Array]:
    """What each callback hands back; ``late`` notes whether the next one was due before that."""
    begin, last = time.perf_counter(), None
    for number, block in enumerate(blocks):
        time.sleep(max(0.0, begin + number * period - time.perf_counter()))
        if len(block) < BLOCK:
            last = block
            break
        yield adapter.step(block)
        late.append(time.perf_counter() > begin + (number + 1) * period)
    yield adapter.flush(last)


def main(model: str, source: str, target: str) -> None:
    sound, late = open_wav(source), list[bool]()
    with Blocks(load(model), BLOCK, rate=sound.rate, channels=sound.channels, frames=SPECTRA) as adapter:
        print(adapter.measured())
        played = callbacks(adapter, sound.blocks(BLOCK), BLOCK / sound.rate, late)
        save_wav(target, played, sound.rate, sound.channels)
    print(f"{len(late)} blocks of {1000 * BLOCK / sound.rate:g} ms, {sum(late)} missed")


if __name__ == "__main__":
    main(*sys.argv[1:])
