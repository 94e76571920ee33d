"""Sound files: what is read, what is refused, and blocks that are the whole."""

from __future__ import annotations

import io
import struct
import wave
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgeseq.errors import EdgeseqError, UsageError
from edgeseq.io import wav

WANTED = "(wanted 16-, 24- or 32-bit PCM). Convert it to a .wav of 16-bit PCM, or give the samples as .npy."


def written(path: Path, data: bytes, width: int, channels: int = 1, rate: int = 16000) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(data)
    return path


def noise(*shape: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).uniform(-0.9, 0.9, shape).astype(np.float32)


def with_format(path: Path, number: int) -> Path:
    data = bytearray(path.read_bytes())
    data[20:22] = struct.pack("<H", number)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("bits", [16, 24, 32])
def test_samples_of_every_width_are_fractions_of_full_scale(bits: int, tmp_path: Path) -> None:
    top = 2 ** (bits - 1)
    values = [-top, 0, top // 2, 3 * top // 4, -1]
    data = b"".join(value.to_bytes(bits // 8, "little", signed=True) for value in values)
    samples, rate = wav.read_wav(written(tmp_path / "x.wav", data, bits // 8))
    assert rate == 16000
    np.testing.assert_array_equal(samples, np.array([[-1], [0], [0.5], [0.75], [-1 / top]], np.float32), strict=True)


@pytest.mark.parametrize("size", [1, 7, 50, 64])
def test_blocks_are_the_whole(size: int, tmp_path: Path) -> None:
    wav.save_wav(tmp_path / "x.wav", [noise(50, 2)], 8000, channels=2)
    sound = wav.open_wav(tmp_path / "x.wav")
    assert (sound.rate, sound.channels, sound.frames, sound.bits) == (8000, 2, 50, 16)
    blocks = list(sound.blocks(size))
    assert [len(block) for block in blocks[:-1]] == [size] * (len(blocks) - 1)
    np.testing.assert_array_equal(np.concatenate(blocks), wav.read_wav(tmp_path / "x.wav")[0])


def test_what_is_written_in_blocks_is_what_is_written_at_once(tmp_path: Path) -> None:
    x, whole = noise(50, 1), io.BytesIO()
    wav.write_wav(whole, x, 8000)
    wav.save_wav(tmp_path / "x.wav", (x[i : i + 7, 0] for i in range(0, 50, 7)), 8000)
    assert (tmp_path / "x.wav").read_bytes() == whole.getvalue()
    np.testing.assert_allclose(wav.read_wav(tmp_path / "x.wav")[0], x, atol=0.5 / 32768)


def test_no_samples_are_no_samples(tmp_path: Path) -> None:
    wav.save_wav(tmp_path / "x.wav", [], 8000, channels=2)
    assert wav.read_wav(tmp_path / "x.wav")[0].shape == (0, 2)


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([noise(4, 3)], "cannot write sound (got [4, 3], wanted [frames, 1])."),
        ([noise(4), np.array([np.nan])], "cannot write sound: the output holds values that are not finite."),
        (
            [noise(4), np.array([12000], np.int16)],
            "cannot write sound (got int16, wanted floats within [-1, 1)). Divide integers by their full scale first.",
        ),
        (noise(4), "cannot write sound (got [], wanted [frames, 1]). Give a list of blocks, [samples] for one."),
    ],
    ids=["channels", "nan", "integers", "no blocks"],
)
def test_what_cannot_be_written_leaves_nothing(blocks: list[Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(EdgeseqError) as caught:
        wav.save_wav(tmp_path / "x.wav", blocks, 8000)
    assert str(caught.value) == message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rate", [0, 8000.5])
def test_a_rate_that_no_file_can_have_is_refused(rate: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"^cannot write sound .got {rate} and 1, wanted a whole rate"):
        wav.save_wav(tmp_path / "x.wav", [noise(4)], rate)
    assert list(tmp_path.iterdir()) == []


def test_what_is_refused_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = written(Path("x.wav"), bytes(400), 4)
    with_format(path, 3)
    with pytest.raises(UsageError) as caught:
        wav.open_wav(path)
    assert str(caught.value) == f"cannot read sound at x.wav: it holds float samples {WANTED}"
    with_format(path, 85)
    with pytest.raises(UsageError, match="unknown format: 85"):
        wav.open_wav(path)


def test_a_file_that_is_cut_short_is_refused_before_a_block_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = written(Path("x.wav"), bytes(400), 2)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UsageError) as caught:
        wav.open_wav(path)
    assert str(caught.value) == f"cannot read sound at x.wav: the file is cut short {WANTED}"


def test_a_file_that_is_cut_while_it_is_read_says_so(tmp_path: Path) -> None:
    path = written(tmp_path / "x.wav", bytes(400), 2)
    sound = wav.open_wav(path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UsageError, match="the file is cut short"):
        list(sound.blocks(16))


def test_a_block_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a block holds no samples"):
        next(wav.open_wav(written(tmp_path / "x.wav", bytes(400), 2)).blocks(0))
