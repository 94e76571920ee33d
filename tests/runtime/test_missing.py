"""Frames that never came: what stands in for them, in what pieces, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgeseq import runtime
from edgeseq.contract import Chunk, Contract, Length, Port, State
from edgeseq.errors import ContextFull, NonFiniteInput, ProviderError, ShapeError, StreamEnded, UsageError
from edgeseq.runtime.calls import Calls
from edgeseq.runtime.missing import PIECE
from tests import handmade
from tests.handmade import Handmade

Array = npt.NDArray[Any]
Load = Callable[[Handmade], runtime.Model]

TIMED: dict[str, Callable[[], Handmade]] = {
    "gru": handmade.gru,
    "causal_conv": handmade.causal_conv,
    "centred_conv": handmade.centred_conv,
    "centred_conv_then_sum": handmade.centred_conv_then_sum,
    "strided_conv": handmade.strided_conv,
    "attention": handmade.attention,
}
#: Frames that come (+) and frames that are missing (-), in turn.
GAPS: dict[str, list[int]] = {
    "single frames": [1, -1, 1, 1, -1, -1, 1, 1, 1, -1],
    "chunks": [3, -2, 4, -5, 1],
    "from the start": [-3, 2, -1, 2],
    "to the end": [2, 3, -4],
    "nothing else": [-5],
    "none at all": [2, 0, 3],
}


def frames(features: int, time: int, batch: int = 1) -> Array:
    return np.random.default_rng(0).standard_normal((batch, time, features)).astype(np.float32)


def with_stand_ins(x: Array, gaps: list[int], policy: str) -> Array:
    """The whole sequence that a stream with gaps is to stand for."""
    whole, position = x.copy(), 0
    for size in gaps:
        if size < 0:
            held = whole[:, position - 1 : position] if policy == "hold" and position else 0
            whole[:, position : position - size] = held
        position += abs(size)
    return whole


def run(stream: runtime.Stream, x: Array, gaps: list[int]) -> Array:
    """Everything a stream gives for ``x`` with gaps, with a check of what ``expect`` says."""
    parts, position = [], 0
    for size in gaps:
        expected = stream.expect(abs(size))
        if size > 0:
            parts.append(np.asarray(stream.step(x[:, position : position + size])))
        else:
            parts.append(np.asarray(stream.missing(-size)))
        assert parts[-1].shape[1] == expected
        position += abs(size)
    assert stream.frames_in == position
    assert stream.frames_missing == sum(-size for size in gaps if size < 0)
    return np.concatenate([*parts, np.asarray(stream.flush())], axis=1)


@pytest.mark.parametrize("policy", ["hold", "zero"])
@pytest.mark.parametrize("gaps", GAPS)
@pytest.mark.parametrize("name", TIMED)
def test_missing_frames_are_frames_like_others(load: Load, name: str, gaps: str, policy: str) -> None:
    made = TIMED[name]()
    features, total = made.contract.ports[0].shape[-1], sum(map(abs, GAPS[gaps]))
    assert isinstance(features, int)
    x = frames(features, total, batch=2)
    stream = load(made).stream(batch=2, on_missing=policy)
    wanted = made.whole(with_stand_ins(x, GAPS[gaps], policy))[0]
    for _ in range(2):
        np.testing.assert_allclose(run(stream, x, GAPS[gaps]), wanted, rtol=1e-5, atol=2e-5)
        stream.reset()
        assert stream.frames_missing == 0


def test_the_comparison_can_fail(load: Load) -> None:
    made, x, gaps = handmade.gru(), frames(4, 10, batch=2), GAPS["single frames"]
    got = run(load(made).stream(batch=2, on_missing="hold"), x, gaps)
    assert np.abs(got - made.whole(with_stand_ins(x, gaps, "zero"))[0]).max() > 0.01


def test_without_a_policy_missing_is_refused(load: Load) -> None:
    made = handmade.gru()
    stream = load(made).stream()
    x = frames(4, 3)
    parts = [np.asarray(stream.step(x[:, :1])), np.asarray(stream.step(x[:, 1:2]))]
    with pytest.raises(UsageError) as caught:
        stream.missing(1)
    assert str(caught.value) == (
        "this stream does not say what stands in for a missing frame. Open it with model.stream(on_missing='hold'), "
        "which repeats the last frame, or on_missing='zero'."
    )
    assert (stream.frames_in, stream.frames_missing) == (2, 0)
    parts.append(np.asarray(stream.step(x[:, 2:])))
    np.testing.assert_allclose(np.concatenate(parts, axis=1), made.whole(x)[0], atol=1e-6)


@pytest.mark.parametrize("word", ["repeat", None, "zeros"])
def test_the_policy_is_one_of_three_words(load: Load, word: Any) -> None:
    with pytest.raises(UsageError) as caught:
        load(handmade.gru()).stream(on_missing=word)
    assert str(caught.value) == f"unknown on_missing (got {word!r}, wanted 'raise' or 'zero' or 'hold')."


@pytest.mark.parametrize("count", [-1, 1.0, "2", None, True])
def test_the_count_is_a_whole_number(load: Load, count: Any) -> None:
    stream = load(handmade.gru()).stream(on_missing="zero")
    for way in (stream.missing, stream.expect):
        with pytest.raises(UsageError) as caught:
            way(count)
        assert str(caught.value) == f"frames must be a whole number from 0 (got {count!r})."
    assert np.asarray(stream.missing(np.int64(2))).shape == (1, 2, 8)  # type: ignore[arg-type]


def test_a_long_gap_is_fed_in_pieces(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    made, sizes = handmade.strided_conv(), []
    of = Calls.of

    def seen(calls: Calls, base_frames: int) -> Any:
        sizes.append(base_frames)
        return of(calls, base_frames)

    monkeypatch.setattr(Calls, "of", seen)
    gaps = [3, -10 * PIECE - 1, 2]
    x = frames(2, sum(map(abs, gaps)))
    got = run(load(made).stream(on_missing="hold"), x, gaps)
    assert max(sizes) == PIECE
    np.testing.assert_allclose(got, made.whole(with_stand_ins(x, gaps, "hold"))[0], atol=1e-5)


@pytest.mark.parametrize("largest", [2, 6])
def test_the_pieces_keep_to_the_models_largest_call(load: Load, largest: int) -> None:
    made = handmade.strided_conv()
    gaps = [3, -20, 1]
    x = frames(2, 24)
    got = run(load(made.with_contract(chunk=Chunk(2, largest))).stream(on_missing="hold"), x, gaps)
    np.testing.assert_allclose(got, made.whole(with_stand_ins(x, gaps, "hold"))[0], atol=1e-5)


def test_out_is_filled_and_returned(load: Load) -> None:
    made = handmade.centred_conv()
    x = frames(2, 2)
    plain, filled = (load(made).stream(on_missing="hold") for _ in range(2))
    plain.step(x)
    filled.step(x)
    out = np.full((1, 3, 2), np.nan, np.float32)
    assert filled.missing(3, out=out) is out
    np.testing.assert_array_equal(out, plain.missing(3))


def test_out_that_does_not_fit_is_refused_before_anything_runs(load: Load) -> None:
    stream = load(handmade.gru()).stream(on_missing="zero")
    stream.step(frames(4, 1))
    with pytest.raises(ShapeError, match=r"^out for y does not fit \(got float32 \[1, 2, 8\], wanted float32 \[1, 3, "):
        stream.missing(3, out=np.empty((1, 2, 8), np.float32))
    assert (stream.position, stream.frames_missing) == (1, 0)


def test_a_gap_beyond_the_context_is_refused_before_anything_runs(load: Load) -> None:
    made = handmade.attention(1000)
    stream = load(made).stream(on_missing="zero")
    x = frames(2, 600)
    first = np.asarray(stream.step(x))
    with pytest.raises(ContextFull, match=r"^the context is full at position 600 \(got 401 more frames"):
        stream.missing(401)
    assert (stream.position, stream.frames_missing) == (600, 0)
    got = np.concatenate([first, np.asarray(stream.missing(400))], axis=1)
    whole = np.concatenate([x, np.zeros((1, 400, 2), np.float32)], axis=1)
    np.testing.assert_allclose(got, made.whole(whole)[0], rtol=1e-4, atol=1e-5)


def test_a_gap_too_long_for_memory_is_refused_before_anything_runs(load: Load) -> None:
    stream = load(handmade.gru()).stream(on_missing="zero")
    with pytest.raises(UsageError) as caught:
        stream.missing(2**60)
    assert str(caught.value) == f"there is no memory for the answer to so many missing frames (got {2**60})."
    assert (stream.position, stream.frames_missing) == (0, 0)
    assert np.asarray(stream.missing(1)).shape == (1, 1, 8)


@pytest.mark.parametrize("equal_steps", [1, 4])
def test_what_was_refused_is_not_held(load: Load, equal_steps: int) -> None:
    """``equal_steps`` good ones, so that each path of ``step`` meets the frame that is refused."""
    made = handmade.gru()
    x = np.repeat(frames(4, 1), equal_steps + 1, axis=1)
    stream = load(made).stream(on_missing="hold")
    parts = [np.asarray(stream.step(x[:, i : i + 1])) for i in range(equal_steps)]
    refusals: list[tuple[type[Exception], Any, Any]] = [
        (NonFiniteInput, np.full((1, 1, 4), np.nan, np.float32), None),
        (ShapeError, np.full((1, 1, 4), 7, np.float32), np.empty(3)),
    ]
    for error, value, out in refusals:
        with pytest.raises(error):
            stream.step(value, out=out)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream._feeder, "run", _fail)
        with pytest.raises(ProviderError, match=r"The stream is unchanged\.$"):
            stream.step(np.full((1, 1, 4), 7, np.float32))
    parts.append(np.asarray(stream.missing(1)))
    np.testing.assert_allclose(np.concatenate(parts, axis=1), made.whole(x)[0], atol=1e-6)


def _fail(*_: object) -> None:
    raise RuntimeError("out of luck.")


def test_a_failure_in_a_later_piece_asks_for_reset(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = load(handmade.gru()).stream(on_missing="zero")
    run, calls = stream._feeder.run, []

    def fail_later(*given: Any) -> None:
        calls.append(given)
        if len(calls) == 3:
            raise RuntimeError("out of luck.")
        run(*given)

    with monkeypatch.context() as patch:
        patch.setattr(stream._feeder, "run", fail_later)
        with pytest.raises(ProviderError, match=r"step was applied: call reset\(\)\.$"):
            stream.missing(5 * PIECE)
    with pytest.raises(ProviderError, match=r"^the stream is broken: "):
        stream.missing(1)
    stream.reset()
    assert np.asarray(stream.missing(1)).shape == (1, 1, 8)


def test_an_ended_stream_has_no_gaps(load: Load) -> None:
    stream = load(handmade.gru()).stream(on_missing="zero")
    stream.missing(2)
    stream.flush()
    assert stream.frames_missing == 2
    with pytest.raises(StreamEnded, match=r"^the stream has ended: flush was called"):
        stream.missing(1)


def _tokens(low: int, high: int) -> Handmade:
    made = handmade.embedding(5)
    tokens, y = made.contract.ports
    return made.with_contract(ports=(replace(tokens, range=(low, high)), y))


def test_integers_are_held_and_made_zero(load: Load) -> None:
    made = handmade.embedding(5)
    for policy, stand_in in (("zero", 0), ("hold", 3)):
        stream = load(made).stream(on_missing=policy)
        stream.step(np.array([[1, 3]]))
        np.testing.assert_array_equal(stream.missing(2), made.whole(np.array([[stand_in, stand_in]]))[0])


def test_zero_is_refused_at_once_where_it_lies_beside_the_range(load: Load) -> None:
    with pytest.raises(UsageError) as caught:
        load(_tokens(1, 4)).stream(on_missing="zero")
    assert str(caught.value) == (
        "zeros cannot stand in for frames of tokens: its values go from 1 to 4. Open the stream with on_missing='hold'."
    )


def test_there_must_be_something_to_hold_where_zeros_lie_beside_the_range(load: Load) -> None:
    stream = load(_tokens(1, 4)).stream(on_missing="hold")
    for _ in range(2):
        with pytest.raises(UsageError) as caught:
            stream.missing(1)
        assert str(caught.value) == (
            "zeros cannot stand in for frames of tokens: its values go from 1 to 4. "
            "Step a frame first: there is none to hold yet."
        )
        assert stream.position == 0
        first = stream.step(np.array([[2]]))
        np.testing.assert_array_equal(stream.missing(1), first)
        stream.reset()


def two_rates(ratio: Fraction, multiple: int) -> Handmade:
    """The running sum of two inputs, ``ratio`` frames of ``s`` for each of ``x``; the finer one is summed in groups."""
    x_group, s_group = ratio.denominator, ratio.numerator
    graph = """rates (float[batch,time,2] x, float[batch,fine,2] s, float[batch,1,2] total)
        => (float[batch,coarse,2] y, float[batch,1,2] "total.next") {
        x_groups = Reshape(x, x_shape)
        s_groups = Reshape(s, s_shape)
        x_coarse = ReduceSum<keepdims=0>(x_groups, two)
        s_coarse = ReduceSum<keepdims=0>(s_groups, two)
        both = Add(x_coarse, s_coarse)
        sums = CumSum(both, one)
        y = Add(sums, total)
        "total.next" = Slice(y, last, end, axis)
    }"""
    weights = {
        "x_shape": np.array([0, -1, x_group, 2]),
        "s_shape": np.array([0, -1, s_group, 2]),
        "two": np.array([2]),
        "one": np.array(1),
        "last": np.array([-1]),
        "end": np.array([2**62]),
        "axis": np.array([1]),
    }
    out_ratio = Fraction(1, x_group)
    shape = ("batch", "time", 2)
    contract = Contract(
        ports=(
            Port("x", "frame", "float32", shape, time_axis=1),
            Port("s", "frame", "float32", shape, time_axis=1, ratio=ratio),
            Port(
                "y",
                "output",
                "float32",
                shape,
                time_axis=1,
                ratio=out_ratio,
                length=Length(x_group, 1, (0, *(None,) * (x_group - 1))),
            ),
        ),
        states=(State("total", "total", "total.next", "recurrent", "float32", ("batch", 1, 2)),),
        chunk=Chunk(multiple=multiple),
        min_frames=1,
    )

    def whole(x: Array, s: Array) -> tuple[Array, ...]:
        grouped = [a.reshape(a.shape[0], -1, group, 2).sum(2) for a, group in ((x, x_group), (s, s_group))]
        return (np.cumsum(sum(grouped), axis=1),)

    return Handmade(graph, weights, contract, whole)


@pytest.mark.parametrize("multiple", [1, 3])
@pytest.mark.parametrize("policy", ["hold", "zero"])
def test_an_input_of_four_frames_per_base_frame_holds_its_own_last(load: Load, policy: str, multiple: int) -> None:
    made = two_rates(Fraction(4), multiple)
    x, s = frames(2, 12), frames(2, 48)[:, ::-1].copy()
    stream = load(made).stream(on_missing=policy)
    parts = [
        stream.step(x=x[:, :2], s=s[:, :8]),
        stream.missing(3),
        stream.step(x=x[:, 5:6], s=s[:, 20:24]),
        stream.missing(2),
        stream.step(x=x[:, 8:], s=s[:, 32:]),
        stream.flush(),
    ]
    x, s = with_stand_ins(x, [2, -3, 1, -2, 4], policy), with_stand_ins(s, [8, -12, 4, -8, 16], policy)
    got = np.concatenate([np.asarray(part) for part in parts], axis=1)
    np.testing.assert_allclose(got, made.whole(x, s)[0], rtol=1e-5, atol=1e-5)


def test_an_input_of_half_a_frame_per_base_frame_has_whole_frames_only(load: Load) -> None:
    made = two_rates(Fraction(1, 2), 2)
    x, s = frames(2, 6), frames(2, 3)
    stream = load(made).stream(on_missing="hold")
    first = np.asarray(stream.step(x=x[:, :2], s=s[:, :1]))
    with pytest.raises(ShapeError) as caught:
        stream.missing(3)
    assert str(caught.value) == (
        "s has no whole number of frames in this stretch of time (got 3 base frames, wanted a multiple of 2)."
    )
    assert stream.frames_in == 2
    got = np.concatenate([first, np.asarray(stream.missing(4))], axis=1)
    np.testing.assert_allclose(
        got, made.whole(with_stand_ins(x, [2, -4], "hold"), with_stand_ins(s, [1, -2], "hold"))[0], rtol=1e-5
    )


def test_several_outputs_give_a_dict(load: Load) -> None:
    made = handmade.scaled_sum()
    stream = load(made).stream(conditioning={"scale": np.ones((1, 2), np.float32)}, on_missing="hold")
    a = np.ones((1, 1, 2), np.float32)
    stream.step(a=a, b=2 * a)
    out = {"sum": np.empty((1, 2), np.float32), "y": np.empty((1, 2, 2), np.float32)}
    assert stream.missing(2, out=out) is out
    np.testing.assert_array_equal(out["y"], np.full((1, 2, 2), 5))
    np.testing.assert_array_equal(out["sum"], [[15, 15]])
