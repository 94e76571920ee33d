"""Silero VAD through its recipe: the probabilities of its own wrapper, from new samples alone."""

from __future__ import annotations

import io
import lzma
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from edgeseq import runtime
from edgeseq.errors import UsageError
from tests import silero

FILE = silero.model_file()
pytestmark = pytest.mark.skipif(FILE is None, reason=silero.MISSING)
SPEECH = Path(os.environ.get("EDGESEQ_DATA", ""), "audio_16k", "silero_test.npy.xz")

Array = npt.NDArray[Any]


@pytest.fixture(scope="module")
def vad() -> runtime.Model:
    assert FILE is not None
    return runtime.adopt(FILE, recipe="silero-vad")


@pytest.fixture
def wrapper() -> Iterator[Any]:
    """Its own wrapper; the number of torch's threads is put back."""
    assert FILE is not None
    threads = torch.get_num_threads()
    yield silero.wrapper(FILE)
    torch.set_num_threads(threads)


def sound(samples: int, rows: int = 1) -> Array:
    """Noise in bursts, so that the probabilities go up and down."""
    noise = np.random.default_rng(0).standard_normal((rows, samples)).astype(np.float32)
    loudness = 0.3 * np.sin(np.arange(samples) / 3000) ** 8
    return (noise * loudness).astype(np.float32)


def stepped(stream: runtime.Stream, x: Array, size: int = 512) -> Array:
    parts: list[Any] = [stream.step(x[:, first : first + size]) for first in range(0, x.shape[1], size)]
    return np.concatenate([*parts, stream.flush()], axis=1)


@pytest.mark.skipif(not SPEECH.is_file(), reason="needs EDGESEQ_DATA with a minute of speech in audio_16k")
def test_a_minute_of_speech(vad: runtime.Model, wrapper: Any) -> None:
    samples = np.load(io.BytesIO(lzma.decompress(SPEECH.read_bytes()))).astype(np.float32)[None] / 32768
    assert samples.shape[1] >= 59 * 16_000
    wanted = wrapper.audio_forward(torch.from_numpy(samples), 16_000).numpy()
    got = stepped(vad.stream(), samples)
    np.testing.assert_array_equal(got, wanted)
    assert wanted.max() > 0.99
    assert wanted.min() < 0.05


def test_a_step_takes_new_samples_alone(vad: runtime.Model, wrapper: Any) -> None:
    x, stream = sound(512 * 20), vad.stream()
    for first in range(0, x.shape[1], 512):
        chunk = x[:, first : first + 512]
        probability = np.asarray(stream.step(chunk))
        assert probability.shape == (1, 1)
        np.testing.assert_array_equal(probability, wrapper(torch.from_numpy(chunk), 16_000).numpy())


@pytest.mark.parametrize("size", [100, 512, 700, 6000])
@pytest.mark.parametrize("samples", [512 * 12, 512 * 12 + 7])
def test_any_chunks(vad: runtime.Model, wrapper: Any, size: int, samples: int) -> None:
    """The last samples are completed with zeros, as ``audio_forward`` does."""
    x = sound(samples)
    wanted = wrapper.audio_forward(torch.from_numpy(x), 16_000).numpy()
    np.testing.assert_array_equal(stepped(vad.stream(), x, size), wanted)


def test_at_eight_kilohertz(wrapper: Any) -> None:
    assert FILE is not None
    x = sound(256 * 20 + 3)
    wanted = wrapper.audio_forward(torch.from_numpy(x), 8_000).numpy()
    stream = runtime.adopt(FILE, recipe="silero-vad-8k").stream()
    np.testing.assert_array_equal(stepped(stream, x, 256), wanted)


def test_reset_is_silence_again(vad: runtime.Model, wrapper: Any) -> None:
    x, stream = sound(512 * 12), vad.stream()
    stepped(stream, x[:, ::-1].copy())
    stream.reset()
    wanted = wrapper.audio_forward(torch.from_numpy(x), 16_000).numpy()
    np.testing.assert_array_equal(stepped(stream, x), wanted)


def test_rows(vad: runtime.Model, wrapper: Any) -> None:
    x = sound(512 * 12, rows=3)
    wanted = wrapper.audio_forward(torch.from_numpy(x), 16_000).numpy()
    np.testing.assert_array_equal(stepped(vad.stream(3), x), wanted)


def test_callers_at_their_own_pace(vad: runtime.Model, wrapper: Any) -> None:
    """Three callers in a pool, the second for every other tick only: each has the 64 samples of its own past."""
    x, pool = sound(512 * 12, rows=3), vad.pool(capacity=4)
    slots = np.array([pool.open() for _ in range(3)], np.int32)
    wanted = [wrapper.audio_forward(torch.from_numpy(row[None]), 16_000).numpy()[0] for row in x]
    taken = [0, 0, 0]
    got: list[list[float]] = [[], [], []]
    for tick in range(12):
        here = [row for row in range(3) if row != 1 or tick % 2]
        chunks = np.stack([x[row, 512 * taken[row] : 512 * (taken[row] + 1)] for row in here])
        for row, probability in zip(here, np.asarray(pool.step(slots[here], chunks)), strict=True):
            got[row] += probability.tolist()
            taken[row] += 1
    assert taken == [12, 6, 12]
    for row in range(3):
        np.testing.assert_allclose(got[row], wanted[row][: taken[row]], atol=1e-6)


def test_the_overlap_matters(vad: runtime.Model) -> None:
    """Without the 64 samples before each chunk the probabilities are others: the equality above can fail."""
    assert FILE is not None
    without = runtime.adopt(FILE, recipe="silero-vad", overlap={"input": 0})
    x = sound(512 * 12)
    assert np.abs(stepped(without.stream(), x) - stepped(vad.stream(), x)).max() > 1e-3


def test_nothing_is_written(vad: runtime.Model) -> None:
    assert FILE is not None
    before = {item: item.stat().st_mtime_ns for item in FILE.parent.iterdir()}
    runtime.adopt(FILE, recipe="silero-vad")
    assert {item: item.stat().st_mtime_ns for item in FILE.parent.iterdir()} == before
    assert vad.contract.with_role("constant")[0].default == 16_000


def test_its_neighbours_in_the_package_fit_too() -> None:
    """The same model for one rate, without the constant, and in calls of one size."""
    assert FILE is not None
    for name in ("silero_vad_16k_op15.onnx", "silero_vad_half.onnx", "silero_vad_openvino_16k.onnx"):
        other = runtime.adopt(FILE.with_name(name), recipe="silero-vad")
        assert other.stream().expect(512) == 1
    with pytest.raises(UsageError, match="the recipe silero-vad is for another file"):
        runtime.adopt(FILE.with_name("silero_vad_16k_sequence.onnx"), recipe="silero-vad")
