"""Sound files: 16-bit PCM .wav in and out, as float32 in [-1, 1)."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from edgeseq.errors import EdgeseqError, UsageError

_FULL_SCALE = 32768
_CONVERT = "convert it to a .wav of 16-bit PCM, or give the samples as .npy"


def read_wav(path: Path) -> tuple[npt.NDArray[np.float32], int]:
    """Samples ``[frames, channels]`` in [-1, 1) and the sample rate; UsageError where it is not 16-bit PCM."""
    try:
        with wave.open(str(path), "rb") as sound:
            width, channels, rate = sound.getsampwidth(), sound.getnchannels(), sound.getframerate()
            data = sound.readframes(sound.getnframes())
    except FileNotFoundError:
        raise UsageError("no such input file", got=str(path)) from None
    except (wave.Error, EOFError, OSError) as error:
        why = str(error) or "the file is cut short"
        raise UsageError("cannot read sound", where=str(path), why=why, wanted="16-bit PCM", do=_CONVERT) from None
    if width != 2:
        got = f"{8 * width}-bit samples"
        raise UsageError("cannot read sound", where=str(path), got=got, wanted="16-bit PCM", do=_CONVERT)
    samples = np.frombuffer(data, dtype="<i2").reshape(-1, channels)
    return samples.astype(np.float32) / np.float32(_FULL_SCALE), rate


def write_wav(file: BinaryIO, samples: npt.NDArray[Any], rate: int) -> None:
    """Write samples ``[frames, channels]`` as 16-bit PCM; what lies outside [-1, 1) is clipped."""
    if not np.isfinite(samples).all():
        raise EdgeseqError("cannot write sound", why="the output holds values that are not finite")
    scaled = np.clip(np.rint(samples.astype(np.float64) * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1)
    with wave.open(file, "wb") as sound:
        sound.setnchannels(samples.shape[1])
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(scaled.astype("<i2").tobytes())
