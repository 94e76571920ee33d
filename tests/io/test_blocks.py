"""The block adapter: as many samples out as in, a lag that was known before, and all of the model's output."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgeseq.contract import Chunk, Contract, Length, Port
from edgeseq.errors import NonFiniteInput, ProviderError, ShapeError, StreamEnded, UsageError
from edgeseq.io.blocks import Blocks
from edgeseq.io.framed import Frames
from edgeseq.io.latency import Latency, most_waiting
from edgeseq.io.windows import root_hann, window_pair
from edgeseq.runtime import Model
from tests import handmade

Array = npt.NDArray[Any]
Load = Callable[[handmade.Handmade], Model]
RATE = 16000.0


def noise(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def blocks_of(x: Array, block: int) -> list[Array]:
    return [x[begin : begin + block] for begin in range(0, len(x), block)]


def any_blocks(x: Array, most: int) -> list[Array]:
    ends = np.cumsum(np.random.default_rng(1).integers(0, most + 1, 4 * len(x) // most))
    return np.split(x, ends[ends <= len(x)])


def played(adapter: Blocks, blocks: list[Array]) -> Array:
    """All that comes out; every block is answered by one of its size, and some leave nothing that is ready."""
    answers, least = [], 10**9
    for block in blocks:
        answers.append(adapter.step(block))
        assert len(answers[-1]) == len(block)
        least = min(least, len(adapter._ready))
    assert least == 0, "a shorter lag would have done"
    return np.concatenate([*answers, adapter.flush()])


def delayed(wanted: Array, latency: Latency) -> Array:
    return np.concatenate([np.zeros((latency.samples, *wanted.shape[1:]), np.float32), wanted])


def samples_in_fours() -> handmade.Handmade:
    """``[batch,time,2]`` frames that only come four at a time."""
    return handmade.left_context().with_contract(chunk=Chunk(multiple=4))


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


@pytest.mark.parametrize("hop", range(1, 13))
def test_the_lag_is_the_most_that_ever_waits(hop: int) -> None:
    for step in range(1, 13):
        assert most_waiting(step, hop) == max(n % hop for n in range(0, step * hop, step))
    assert most_waiting(1, hop) == hop - 1


@pytest.mark.parametrize("block", [1, 2, 3, 4, 5, 6, 8, 11])
def test_samples_in_blocks_of_one_size(load: Load, block: int) -> None:
    made, x = samples_in_fours(), noise(53 // block * block, 2)
    with Blocks(load(made), block, rate=RATE, channels=2) as adapter:
        assert adapter.latency.samples == 4 - np.gcd(4, block)
        got = played(adapter, blocks_of(x, block))
    np.testing.assert_allclose(got, delayed(made.whole(x[None])[0][0], adapter.latency), rtol=1e-5, atol=1e-6)


def test_samples_in_blocks_of_any_size_then_anew(load: Load) -> None:
    made, x = samples_in_fours(), noise(103, 2)
    adapter = Blocks(load(made), max_block=7, rate=RATE, channels=2)
    assert adapter.latency.samples == 3
    wanted = delayed(made.whole(x[None])[0][0], adapter.latency)
    for _ in range(2):
        got = played(adapter, any_blocks(x, 7))
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
        adapter.reset()


def test_look_ahead_is_part_of_the_lag_and_nothing_else_is_for_a_model_of_single_samples(load: Load) -> None:
    made, x = handmade.centred_conv(), noise(40, 2)
    adapter = Blocks(load(made), 5, rate=RATE, channels=2)
    assert adapter.latency == Latency(0, 0, 1, RATE)
    np.testing.assert_allclose(
        played(adapter, blocks_of(x, 5)), delayed(made.whole(x[None])[0][0], adapter.latency), rtol=1e-5, atol=1e-6
    )


def echo(
    shape: tuple[int | str, ...] = ("batch", "time"), ratio: Fraction = Fraction(1), **changes: Any
) -> handmade.Handmade:
    axes, axis = ",".join(map(str, shape)), shape.index("time")
    length = Length(frames=int(ratio))
    ports = (
        Port("x", "frame", "float32", shape, axis, ratio),
        Port("y", "output", "float32", shape, axis, ratio, length=length),
    )
    graph = f"echo (float[{axes}] x) => (float[{axes}] y) {{ y = Identity(x) }}"
    return handmade.Handmade(graph, {}, Contract(ports=ports, states=(), **changes), lambda x: (x,))


@pytest.mark.parametrize("shape", [("batch", "time"), ("time", "batch"), ("batch", 1, "time")], ids=str)
def test_channels_are_rows_where_the_model_has_none(load: Load, shape: tuple[int | str, ...]) -> None:
    adapter, x = Blocks(load(echo(shape, chunk=Chunk(3))), 4, rate=RATE, channels=2), noise(20, 2)
    np.testing.assert_array_equal(played(adapter, blocks_of(x, 4)), delayed(x, adapter.latency))


def test_one_channel_comes_back_as_it_came(load: Load) -> None:
    adapter, x = Blocks(load(echo(chunk=Chunk(3))), 4, rate=RATE), noise(20)
    np.testing.assert_array_equal(played(adapter, blocks_of(x, 4)), delayed(x, adapter.latency))
    adapter.reset()
    assert adapter.step(x[:4, None]).shape == (4, 1)


def test_two_samples_of_a_base_frame(load: Load) -> None:
    model = load(echo(ratio=Fraction(2), frame_period=1 / 8000))
    adapter, x = Blocks(model, 3), noise(42)
    assert adapter.latency == Latency(1, 0, 0, 16000.0)
    np.testing.assert_array_equal(played(adapter, blocks_of(x, 3)), delayed(x, adapter.latency))


def test_half_as_many_samples_out(load: Load) -> None:
    made, x = handmade.strided_conv().with_contract(chunk=Chunk(multiple=4)), noise(42, 2)
    adapter = Blocks(load(made), 6, rate=RATE, channels=2)
    assert adapter.latency == Latency(1, 0, 0, RATE / 2)
    answers = [adapter.step(block) for block in blocks_of(x, 6)]
    assert {len(answer) for answer in answers} == {3}
    wanted = delayed(made.whole(x[None])[0][0], adapter.latency)
    np.testing.assert_allclose(np.concatenate([*answers, adapter.flush()]), wanted, rtol=1e-5, atol=1e-6)
    with pytest.raises(UsageError, match=r"no whole number of samples \(got 5, wanted a multiple of 2\)"):
        Blocks(load(made), 5, rate=RATE, channels=2)


@pytest.mark.parametrize(("size", "hop", "block"), [(8, 4, 6), (8, 4, 9), (8, 2, 3), (8, 8, 5), (8, 4, 4)])
def test_frames_that_overlap(load: Load, size: int, hop: int, block: int) -> None:
    """Fresh values at every frame, so that one that is late or twice in the sum shows."""
    made, x = handmade.gru(size, size), noise(91 // block * block, 2)
    adapter = Blocks(load(made), block, rate=RATE, channels=2, frames=Frames(size, hop))
    assert adapter.latency.samples == size - np.gcd(block, hop)
    wanted = delayed(offline(made, x, size, hop, window_pair(None, size, hop)), adapter.latency)
    np.testing.assert_allclose(played(adapter, blocks_of(x, block)), wanted, rtol=1e-5, atol=1e-6)


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


def test_a_refused_block_changes_nothing(load: Load) -> None:
    made, x = samples_in_fours(), noise(20, 2)
    adapter = Blocks(load(made), 5, rate=RATE, channels=2)
    bad = x[:5].copy()
    bad[4, 1] = np.nan
    answers = []
    for block in blocks_of(x, 5):
        for wrong in (block[:4], block[:, :1], block.astype(np.float64), block[None]):
            with pytest.raises(ShapeError, match="the block does not fit"):
                adapter.step(wrong)
        with pytest.raises(NonFiniteInput):
            adapter.step(bad)
        with pytest.raises(NonFiniteInput):
            adapter.flush(bad[2:])
        answers.append(adapter.step(block))
    got = np.concatenate([*answers, adapter.flush()])
    np.testing.assert_allclose(got, delayed(made.whole(x[None])[0][0], adapter.latency), rtol=1e-5, atol=1e-6)
    with pytest.raises(StreamEnded):
        adapter.step(x[:5])


def test_a_length_that_the_model_does_not_take_is_refused_and_may_be_completed(load: Load) -> None:
    adapter, x = Blocks(load(echo(ratio=Fraction(2))), 3, rate=RATE), noise(6)
    first = adapter.step(x[:3])
    with pytest.raises(ShapeError, match=r"no signal of this length \(got 3 samples, wanted a multiple of 2\)"):
        adapter.flush()
    got = np.concatenate([first, adapter.step(x[3:]), adapter.flush()])
    np.testing.assert_array_equal(got, delayed(x, adapter.latency))


def test_what_fails_half_way_asks_for_reset(load: Load) -> None:
    wrong = Frames(8, 4, apply=lambda answer, frames: frames[:, :, :3])
    adapter = Blocks(load(handmade.gru(8, 8)), 4, rate=RATE, frames=wrong)
    with pytest.raises(ShapeError, match=r"apply made other than frames \(got float32 \[1, 1, 3\]"):
        adapter.step(noise(4))
    with pytest.raises(ProviderError, match="an earlier call failed half way"):
        adapter.step(noise(4))
    adapter.reset()
    assert adapter.samples_in == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"block": 4, "max_block": 4}, "blocks need one size (got block=4, max_block=4, channels=2, wanted"),
        ({"block": 0}, "blocks need one size"),
        ({"channels": 3}, "the model does not take so many channels (got 3 channels for x[batch,time,2]"),
        ({"rate": None}, "the sample rate is not known: the file has no frame period. Give rate=."),
        ({"frames": Frames(4, 5)}, "frames need a hop within their size (got size 4, hop 5)"),
        ({"frames": Frames(8, 3)}, "the windows do not add up at frames of 8, hop 3"),
        ({"frames": Frames(8, 4, np.ones(7))}, "a window does not fit (got [7], wanted [8] finite numbers)"),
        ({"frames": Frames(8, 4)}, "the model's frames are not these samples (got x[batch,time,2]"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_said(load: Load, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Blocks(load(handmade.causal_conv()), **{"block": 4, "rate": RATE, "channels": 2, **changes})
    assert message in str(caught.value)


def test_the_rate_is_that_of_the_file(load: Load) -> None:
    model = load(echo(frame_period=1 / 44100))
    assert Blocks(model, 4).latency.rate == pytest.approx(44100)
    with pytest.raises(UsageError, match=r"wrong sample rate \(got 48,000 Hz, wanted 44,100 Hz\)"):
        Blocks(model, 4, rate=48000)
    framed = load(handmade.gru(8, 8).with_contract(frame_period=4 / 8000))
    assert Blocks(framed, 4, frames=Frames(8, 4)).latency.rate == pytest.approx(8000)


def test_a_model_of_another_ratio_is_no_model_of_frames(load: Load) -> None:
    with pytest.raises(UsageError, match="other than one frame for each frame"):
        Blocks(load(handmade.strided_conv()), 4, rate=RATE, frames=Frames(2, 1, np.ones(2)))


def test_windows_are_scaled_until_they_add_up() -> None:
    before, after = window_pair((np.ones(8), root_hann(8) ** 2), 8, 2)
    np.testing.assert_allclose((before * after).reshape(-1, 2).sum(axis=0), 1, rtol=1e-6)
    np.testing.assert_array_equal(before, np.ones(8, np.float32))


def test_compute_is_a_time_and_moves_no_sample(load: Load) -> None:
    adapter = Blocks(load(echo(chunk=Chunk(3))), 4, rate=1000.0, compute=0.0005)
    assert str(adapter.latency) == (
        "2 samples, 2.000 ms at 1,000 Hz (buffering 2 + overlap 0 + look-ahead 0); compute 0.5 ms"
    )
    assert adapter.latency.seconds == pytest.approx(0.0025)
    measured = adapter.measured(calls=3)
    assert measured.samples == 2
    assert measured.compute is not None
    assert measured.compute > 0
    assert adapter.samples_in == 0
