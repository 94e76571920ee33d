"""Frames that overlap: cut, stepped and added up as one would over the whole signal."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseq.contract import Chunk
from edgeseq.errors import ProviderError, ShapeError, UsageError
from edgeseq.io.blocks import Blocks, Frames, Latency
from edgeseq.io.windows import root_hann, window_pair
from tests import handmade
from tests.io.signals import RATE, Array, Load, any_blocks, blocks_of, delayed, noise, played


def offline(made: handmade.Handmade, x: Array, size: int, hop: int, windows: tuple[Array, Array]) -> Array:
    """Frames of ``x[samples, channels]`` through the whole model and added up, in the plainest way."""
    early = size - hop
    count = -(-(len(x) + early) // hop)
    padded = np.zeros((count * hop + early, x.shape[1]), np.float32)
    padded[early : early + len(x)] = x
    frames = np.stack([padded[j * hop : j * hop + size].T * windows[0] for j in range(count)], axis=1)
    answers = made.whole(frames)[0] * windows[1]
    total = np.zeros_like(padded)
    for j in range(count):
        total[j * hop : j * hop + size] += answers[:, j].T
    return total[early : early + len(x)]


@pytest.mark.parametrize(("size", "hop", "block"), [(8, 4, 6), (8, 4, 9), (8, 2, 3), (8, 8, 5), (8, 4, 4)])
def test_frames_that_overlap(load: Load, size: int, hop: int, block: int) -> None:
    """Fresh values at every frame, so that one that is late or twice in the sum shows."""
    made, x = handmade.gru(size, size), noise(91 // block * block, 2)
    adapter = Blocks(load(made), block, rate=RATE, channels=2, frames=Frames(size, hop))
    assert adapter.latency.samples == size - np.gcd(block, hop)
    wanted = delayed(offline(made, x, size, hop, window_pair(None, size, hop)), adapter.latency)
    np.testing.assert_allclose(played(adapter, blocks_of(x, block)), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("seed", range(12))
def test_frames_drawn_at_random(load: Load, seed: int) -> None:
    draw = np.random.default_rng(seed)
    hop, times, multiple, most, channels = (int(draw.integers(1, high)) for high in (5, 4, 4, 20, 3))
    size = hop * times
    made, x = handmade.gru(size, size).with_contract(chunk=Chunk(multiple)), noise(400, channels, seed=seed)
    frames = Frames(size, hop, (np.ones(size), np.ones(size)))
    adapter = Blocks(load(made), max_block=most, rate=RATE, channels=channels, frames=frames)
    assert adapter.latency == Latency(hop * multiple - 1, size - hop, 0, RATE)
    wanted = delayed(offline(made, x, size, hop, window_pair(np.ones(size), size, hop)), adapter.latency)
    got = played(adapter, any_blocks(x, most), minimal=False)  # not every rest comes up
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


def test_frames_with_look_ahead_in_blocks_of_any_size(load: Load) -> None:
    made, x = handmade.centred_conv(), noise(60, 1)
    adapter = Blocks(load(made), max_block=5, rate=RATE, frames=Frames(2, 1, np.ones(2)))
    assert adapter.latency == Latency(0, 1, 1, RATE)
    wanted = delayed(offline(made, x, 2, 1, window_pair(np.ones(2), 2, 1)), adapter.latency)
    np.testing.assert_allclose(played(adapter, any_blocks(x, 5)), wanted, rtol=1e-5, atol=1e-6)


def test_frames_that_are_given_back_are_the_samples(load: Load) -> None:
    """480 samples into frames of 512 at hop 256, applied to what the model was not given: answers find their frames."""
    spectrum = Frames(512, 256, features=lambda frames: np.abs(frames[:, :, :2]), apply=lambda answer, frames: frames)
    adapter, x = Blocks(load(handmade.centred_conv()), 480, rate=48000.0, frames=spectrum), noise(4800)
    assert adapter.latency == Latency(224, 256, 256, 48000.0)
    np.testing.assert_allclose(played(adapter, blocks_of(x, 480)), delayed(x, adapter.latency), atol=1e-5)


@pytest.mark.parametrize("samples", [0, 1, 3, 8, 9])
def test_the_end_of_short_signals(load: Load, samples: int) -> None:
    made, x = handmade.gru(8, 8), noise(samples, 1)
    adapter = Blocks(load(made), 6, rate=RATE, frames=Frames(8, 4))
    first = [adapter.step(x[:6])] if samples >= 6 else []
    got = np.concatenate([*first, adapter.flush(x[6 * len(first) :])])
    wanted = offline(made, x, 8, 4, window_pair(None, 8, 4)) if samples else x
    np.testing.assert_allclose(got, delayed(wanted, adapter.latency), rtol=1e-5, atol=1e-6)


def test_what_fails_half_way_asks_for_reset(load: Load) -> None:
    wrong = Frames(8, 4, apply=lambda answer, frames: frames[:, :, :3])
    adapter = Blocks(load(handmade.gru(8, 8)), 4, rate=RATE, frames=wrong)
    with pytest.raises(ShapeError, match=r"apply made other than frames \(got float32 \[1, 1, 3\]"):
        adapter.step(noise(4))
    with pytest.raises(ProviderError, match="an earlier call failed half way"):
        adapter.step(noise(4))
    adapter.reset()
    assert adapter.samples_in == 0


def test_features_that_raise_have_changed_nothing(load: Load) -> None:
    def features(frames: Array) -> Array:
        if frames.max() > 100:
            raise ArithmeticError("too loud")
        return frames

    made, x = handmade.gru(8, 8), noise(40, 1)
    adapter = Blocks(load(made), 5, rate=RATE, frames=Frames(8, 4, features=features))
    first = adapter.step(x[:5])
    with pytest.raises(ArithmeticError):
        adapter.step(x[5:10] + 1000)
    got = np.concatenate([first, *(adapter.step(block) for block in blocks_of(x[5:], 5)), adapter.flush()])
    wanted = offline(made, x, 8, 4, window_pair(None, 8, 4))
    np.testing.assert_allclose(got, delayed(wanted, adapter.latency), rtol=1e-5, atol=1e-6)


def test_a_model_of_another_ratio_is_no_model_of_frames(load: Load) -> None:
    with pytest.raises(UsageError, match="other than one frame for each frame"):
        Blocks(load(handmade.strided_conv()), 4, rate=RATE, frames=Frames(2, 1, np.ones(2)))


def test_windows_are_scaled_until_they_add_up() -> None:
    before, after = window_pair((np.ones(8), root_hann(8) ** 2), 8, 2)
    np.testing.assert_allclose((before * after).reshape(-1, 2).sum(axis=0), 1, rtol=1e-6)
    np.testing.assert_array_equal(before, np.ones(8, np.float32))
