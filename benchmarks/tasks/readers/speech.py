"""Speech commands (Warden, 2018), four classes: log-mel frames in, the class of the clip out.

``pcm16.npy.xz`` is ``int16[clips, 16000]`` at 16 kHz, ``labels.csv`` holds ``row,split,label,word,speaker,file``. The
given split shares no speaker.
"""

from __future__ import annotations

import csv
import io
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.tasks.dataset import Dataset, Split, unpacked
from edgeseq.errors import UsageError

LABELS = ("_silence_", "_unknown_", "no", "yes")
RATE_HZ = 16_000
#: Windows of 25 ms every 10 ms; bands between 60 and 7,600 Hz, evenly spaced on the mel scale (O'Shaughnessy, 1987).
WINDOW, HOP, TRANSFORM, BANDS = 400, 160, 512, 40
LENGTH = 1 + (RATE_HZ - WINDOW) // HOP
LOWEST_HZ, HIGHEST_HZ = 60.0, 7_600.0
#: Noisy, shifted copies of each training clip: 321 clips are few.
COPIES = 12

Waves = npt.NDArray[np.float32]


def read(folder: Path) -> Dataset:
    """Features ``float32[clips, 98, 40]``, scaled by the training clips' mean and deviation, and classes."""
    waves = np.load(io.BytesIO(unpacked(folder / "pcm16.npy.xz")), allow_pickle=False).astype(np.float32) / 32_768
    splits, labels = _labels(folder / "labels.csv")
    train = splits == "train"
    plain = features(waves)
    more = features(disturbed(waves[train]))
    mean, deviation = plain[train].mean(axis=(0, 1)), plain[train].std(axis=(0, 1))
    parts = {
        name: Split((plain[splits == name] - mean) / deviation, labels[splits == name]) for name in ("valid", "test")
    }
    inputs = np.concatenate([plain[train], more])
    return Dataset(train=Split((inputs - mean) / deviation, np.tile(labels[train], COPIES + 1)), **parts)


def features(waves: Waves) -> npt.NDArray[np.float32]:
    """Logarithms of the energies in mel bands, ``[clips, samples]`` to ``[clips, 98, 40]``; no frame looks ahead."""
    windows = np.lib.stride_tricks.sliding_window_view(waves, WINDOW, axis=1)[:, ::HOP]
    taper = np.hanning(WINDOW).astype(np.float32)
    clips = (np.abs(np.fft.rfft(clip * taper, TRANSFORM)) ** 2 @ filters() for clip in windows)
    return np.stack([np.log(energies + 1e-6).astype(np.float32) for energies in clips])


def disturbed(waves: Waves, copies: int = COPIES) -> Waves:
    """Copies of clips, one after another: up to 0.1 s earlier or later, louder or softer, with noise below."""
    random = np.random.default_rng(0)
    made = []
    for _ in range(copies):
        for wave in waves:
            shifted = np.roll(wave, random.integers(-RATE_HZ // 10, RATE_HZ // 10 + 1))
            noise = random.standard_normal(len(wave)) * 10 ** random.uniform(-4, -2)
            made.append(shifted * 10 ** random.uniform(-0.5, 0.5) + noise)
    return np.asarray(made, np.float32)


@cache
def filters() -> npt.NDArray[np.float64]:
    """Triangles ``[257, 40]``, each from its lower neighbour's peak to its upper one's."""
    mels = np.linspace(_mel(LOWEST_HZ), _mel(HIGHEST_HZ), BANDS + 2)
    peaks = 700 * (10 ** (mels / 2_595) - 1)
    places = np.linspace(0, RATE_HZ / 2, TRANSFORM // 2 + 1)[:, None]
    rising = (places - peaks[:-2]) / (peaks[1:-1] - peaks[:-2])
    falling = (peaks[2:] - places) / (peaks[2:] - peaks[1:-1])
    return np.maximum(0, np.minimum(rising, falling))


def _mel(hertz: float) -> float:
    return float(2_595 * np.log10(1 + hertz / 700))


def _labels(path: Path) -> tuple[npt.NDArray[np.str_], npt.NDArray[np.int64]]:
    if not path.exists():
        raise UsageError("a file of the data set is not there", where=str(path))
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    return np.array([row["split"] for row in rows]), np.array([LABELS.index(row["label"]) for row in rows], np.int64)
