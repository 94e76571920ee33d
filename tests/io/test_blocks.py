"""The block adapter: as many samples out as in, a lag that was known before, and all of the model's output."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from edgeseq.contract import Chunk, Contract, Length, Port
from edgeseq.errors import NonFiniteInput, ShapeError, StreamEnded, UsageError
from edgeseq.io.blocks import Blocks, Frames, Latency
from edgeseq.io.latency import most_waiting
from tests import handmade
from tests.io.signals import RATE, Array, Load, any_blocks, blocks_of, delayed, noise, played


def samples_in_fours() -> handmade.Handmade:
    """``[batch,time,2]`` frames that only come four at a time."""
    return handmade.left_context().with_contract(chunk=Chunk(multiple=4))


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


def test_the_same_calls_give_the_same_bits(load: Load) -> None:
    model, x = load(samples_in_fours()), noise(40, 2)
    stream = model.stream()
    adapter = Blocks(model, 2, rate=RATE, channels=2)
    answers: list[Any] = [stream.step(part[None]) for part in blocks_of(x, 4)]
    wanted = np.concatenate([*answers, stream.flush()], axis=1)
    np.testing.assert_array_equal(played(adapter, blocks_of(x, 2)), delayed(wanted[0], adapter.latency))


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


def test_twice_as_many_samples_out(load: Load) -> None:
    axes = np.array([2])
    graph = """twice (float[batch,time] x) => (float[batch,double] y) {
        column = Unsqueeze(x, axes)
        pairs = Concat<axis=2>(column, column)
        y = Flatten(pairs)
    }"""
    ports = (
        Port("x", "frame", "float32", ("batch", "time"), 1),
        Port("y", "output", "float32", ("batch", "time"), 1, Fraction(2), length=Length(frames=2)),
    )
    made = handmade.Handmade(graph, {"axes": axes}, Contract(ports=ports, states=(), chunk=Chunk(4)), lambda x: (x,))
    adapter, x = Blocks(load(made), 6, rate=RATE), noise(42)
    assert adapter.latency == Latency(4, 0, 0, 2 * RATE)
    answers = [adapter.step(block) for block in blocks_of(x, 6)]
    assert {len(answer) for answer in answers} == {12}
    got = np.concatenate([*answers, adapter.flush()])
    np.testing.assert_array_equal(got, delayed(np.repeat(x, 2), adapter.latency))


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


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (
            np.zeros((4, 2), np.float32),
            "(got float32 [4, 2], wanted float32 [5, 2]). Give a last, shorter block to flush",
        ),
        (np.zeros((5, 2), np.int16), "(got int16 [5, 2], wanted float32 [5, 2]). Divide integers by their full scale"),
        (np.zeros(5, np.float32), "(got float32 [5], wanted float32 [5, 2]). Give samples along the first axis"),
    ],
    ids=["size", "integers", "rank"],
)
def test_a_block_that_does_not_fit_is_said(load: Load, block: Array, message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        Blocks(load(handmade.causal_conv()), 5, rate=RATE, channels=2).step(block)
    assert f"the block does not fit {message}" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"block": 4, "max_block": 4}, "blocks need one size (got block=4, max_block=4, channels=2, wanted"),
        ({"block": 0}, "blocks need one size"),
        ({"block": 4.0}, "blocks need one size (got block=4.0, max_block=None, channels=2, wanted"),
        ({"channels": "2"}, "blocks need one size (got block=4, max_block=None, channels='2', wanted"),
        ({"rate": "16k"}, "rate must be a number of samples per second (got '16k')."),
        ({"channels": 3}, "the model does not take so many channels (got 3 channels for x[batch,time,2]"),
        ({"rate": None}, "the sample rate is not known: the file has no frame period. Give rate=."),
        ({"rate": float("nan")}, "rate must be a number of samples per second (got nan)."),
        ({"frames": Frames(4, 5)}, "frames need a hop within their size (got size 4, hop 5, wanted whole numbers"),
        ({"frames": Frames(8.0, 4)}, "frames need a hop within their size (got size 8.0, hop 4"),  # type: ignore[arg-type]
        ({"frames": Frames(8, 4, "hann")}, "a window does not fit (got 'hann', wanted [8] finite numbers)"),
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


def test_a_path_is_no_model() -> None:
    with pytest.raises(UsageError) as caught:
        Blocks("m.onnx", 4, rate=RATE)  # type: ignore[arg-type]
    assert str(caught.value) == "no model (got str, wanted edgeseq.runtime.load(path))."


def test_features_that_are_no_samples_are_told_of_frames(load: Load) -> None:
    with pytest.raises(
        UsageError, match=r"Give frames=Frames\(..., features=\) where the features are made of samples"
    ):
        Blocks(load(handmade.causal_conv()), 4, rate=RATE)


def test_a_closed_adapter_stays_closed(load: Load) -> None:
    adapter = Blocks(load(handmade.causal_conv()), 4, rate=RATE, channels=2)
    adapter.close()
    with pytest.raises(StreamEnded, match="the adapter is closed"):
        adapter.reset()
    with pytest.raises(StreamEnded, match="the adapter has ended"):
        adapter.flush()
