"""Sound files: .wav of 16-, 24- or 32-bit PCM in, of 16-bit PCM out, as float32 samples, whole or block by block.

What the standard library's ``wave`` does not read is refused by name: float samples, compressed ones, and before Python
3.12 the extensible header.
"""

from __future__ import annotations

import wave
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from edgeseq.errors import EdgeseqError, UsageError
from edgeseq.files import write_whole

Samples = npt.NDArray[np.float32]

_FULL_SCALE = 32768
_PCM = "16-, 24- or 32-bit PCM"
_CONVERT = "convert it to a .wav of 16-bit PCM, or give the samples as .npy"
#: Format numbers of the header that ``wave`` refuses with nothing but the number.
_FORMATS = {"3": "float samples", "65534": "an extensible header, which Python reads from 3.12 on"}
#: Bytes in front of the samples, at least.
_HEADER = 44
#: Frames that are read at once where all are wanted.
_PIECE = 1 << 16


@dataclass(frozen=True)
class Sound:
    """What the header of a sound file says: frames per second, channels, frames, bits of a sample."""

    path: Path
    rate: int
    channels: int
    frames: int
    bits: int

    def blocks(self, size: int) -> Iterator[Samples]:
        """The samples ``[size, channels]``, block by block, the last one shorter; one block is in memory at a time."""
        if size < 1:
            raise UsageError("a block holds no samples", got=size, wanted="1 or more")
        with _reading(self.path) as file:
            for begin in range(0, self.frames, size):
                wanted = min(size, self.frames - begin)
                data = file.readframes(wanted)
                if len(data) < wanted * self.channels * self.bits // 8:
                    raise EOFError
                yield _decoded(data, self.bits).reshape(-1, self.channels)


def open_wav(path: Path | str) -> Sound:
    """Read the header of a sound file; UsageError where it is none of 16-, 24- or 32-bit PCM, or cut short."""
    path = Path(path)
    with _reading(path) as file:
        bits = 8 * file.getsampwidth()
        sound = Sound(path, file.getframerate(), file.getnchannels(), file.getnframes(), bits)
        if sound.frames * sound.channels * file.getsampwidth() > path.stat().st_size - _HEADER:
            raise EOFError
    if bits not in (16, 24, 32):
        raise UsageError("cannot read sound", where=str(path), got=f"{bits}-bit samples", wanted=_PCM, do=_CONVERT)
    return sound


def read_wav(path: Path | str) -> tuple[Samples, int]:
    """Samples ``[frames, channels]`` in [-1, 1] and the sample rate; raises what :func:`open_wav` does.

    16 and 24 bits are kept exactly, 32 bits are rounded to the 24 that a float32 holds.
    """
    sound = open_wav(path)
    return np.concatenate([np.zeros((0, sound.channels), np.float32), *sound.blocks(_PIECE)]), sound.rate


def save_wav(path: Path | str, blocks: Iterable[npt.NDArray[Any]], rate: int, channels: int = 1) -> None:
    """Write blocks ``[frames, channels]``, or ``[frames]`` of one channel, as they come; whole or not at all.

    Samples are floats, ``rate`` is a whole number. UsageError where they are not, or where the folder does not take the
    file; else raises what :func:`write_wav` and ``blocks`` do.
    """
    try:
        write_whole(Path(path), lambda file: _write(file, blocks, rate, channels))
    except OSError as error:
        raise UsageError("cannot write", where=str(path), why=error.strerror) from None


def write_wav(file: BinaryIO, samples: npt.NDArray[Any], rate: int) -> None:
    """Write samples ``[frames, channels]`` as 16-bit PCM; what lies outside [-1, 1) is clipped.

    UsageError where they are no floats, EdgeseqError where one is not finite.
    """
    _write(file, [samples], rate, samples.shape[1])


def _write(file: BinaryIO, blocks: Iterable[npt.NDArray[Any]], rate: int, channels: int) -> None:
    if type(rate) is not int or rate < 1 or type(channels) is not int or channels < 1:
        got = f"{rate!r} and {channels!r}"
        raise UsageError("cannot write sound", got=got, wanted="a whole rate and a number of channels, both from 1")
    with wave.open(file, "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        for block in blocks:
            if block.shape[1:] != (channels,) and (block.ndim, channels) != (1, 1):
                do = None if block.ndim else "give a list of blocks, [samples] for one"
                raise UsageError("cannot write sound", got=list(block.shape), wanted=f"[frames, {channels}]", do=do)
            if block.dtype.kind != "f":
                do = "divide integers by their full scale first"
                raise UsageError("cannot write sound", got=block.dtype, wanted="floats within [-1, 1)", do=do)
            sound.writeframesraw(_encoded(block))


def _encoded(samples: npt.NDArray[Any]) -> bytes:
    if not np.isfinite(samples).all():
        raise EdgeseqError("cannot write sound", why="the output holds values that are not finite")
    scaled = np.clip(np.rint(samples.astype(np.float64) * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1)
    return scaled.astype("<i2").tobytes()


def _decoded(data: bytes, bits: int) -> Samples:
    if bits == 24:  # as the upper three bytes of 32 bits
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        data, bits = wide.tobytes(), 32
    return np.frombuffer(data, f"<i{bits // 8}").astype(np.float32) / np.float32(2 ** (bits - 1))


@contextmanager
def _reading(path: Path) -> Iterator[wave.Wave_read]:
    """The file, opened; UsageError for what is no sound, or is less than its header says."""
    try:
        with wave.open(str(path), "rb") as file:
            yield file
    except FileNotFoundError:
        raise UsageError("no such input file", got=str(path)) from None
    except (wave.Error, EOFError, OSError) as error:
        why = str(error) or "the file is cut short"
        for number, name in _FORMATS.items():
            why = f"it holds {name}" if why == f"unknown format: {number}" else why
        raise UsageError("cannot read sound", where=str(path), why=why, wanted=_PCM, do=_CONVERT) from None
