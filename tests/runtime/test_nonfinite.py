"""NaN and infinities: refused before anything changes, unless the stream was opened to let them through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgeseq import runtime
from edgeseq.contract import Contract, Length, Port, State
from edgeseq.errors import EdgeseqError, NonFiniteInput, UsageError
from edgeseq.runtime.finite import PIECE, SHORT, all_finite
from tests import handmade
from tests.handmade import Handmade

Array = npt.NDArray[Any]
Load = Callable[[Handmade], runtime.Model]

DTYPES = {"float16": "float16", "float32": "float", "float64": "double"}
BAD = [np.nan, np.inf, -np.inf]


def running_sum(dtype: str, features: int = 3) -> Handmade:
    """The sum over time so far, in any float type."""
    onnx_type = DTYPES[dtype]
    graph = f"""sums ({onnx_type}[batch,time,{features}] x, {onnx_type}[batch,1,{features}] total)
        => ({onnx_type}[batch,time,{features}] y, {onnx_type}[batch,1,{features}] "total.next") {{
        sums = CumSum(x, one)
        y = Add(sums, total)
        "total.next" = Slice(y, last, end, axis)
    }}"""
    weights = {"one": np.array(1), "last": np.array([-1]), "end": np.array([2**62]), "axis": np.array([1])}
    shape = ("batch", "time", features)
    contract = Contract(
        ports=(
            Port("x", "frame", dtype, shape, time_axis=1),
            Port("y", "output", dtype, shape, time_axis=1, length=Length()),
        ),
        states=(State("total", "total", "total.next", "recurrent", dtype, ("batch", 1, features)),),
    )
    return Handmade(graph, weights, contract, lambda x: (np.cumsum(x, axis=1, dtype=dtype),))


def frame(dtype: str = "float32", time: int = 1, features: int = 3) -> Array:
    return np.full((1, time, features), 0.5, dtype)


@pytest.mark.parametrize("bad", BAD, ids=str)
@pytest.mark.parametrize("after", [0, 1, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_frame_that_is_not_finite_is_refused(load: Load, dtype: str, after: int, bad: float) -> None:
    """``after`` good steps, so that each path of ``step`` meets the bad one."""
    stream = load(running_sum(dtype)).stream()
    for _ in range(after):
        stream.step(frame(dtype))
    x = frame(dtype)
    x[0, 0, 1] = bad
    for _ in range(2):
        with pytest.raises(NonFiniteInput) as caught:
            stream.step(x)
        assert str(caught.value) == (
            "x holds a value that is not finite at x[0, 0, 1]: a state would keep it, or turn it into plausible numbers"
            f" (got {bad}, wanted finite numbers). Give finite frames, call missing() in place of bad ones, or open the"
            " stream with on_nonfinite='pass'."
        )
        assert (stream.position, stream.frames_in, stream.frames_out) == (after, after, after)
    np.testing.assert_array_equal(stream.step(frame(dtype)), np.full((1, 1, 3), (after + 1) / 2, dtype))


@pytest.mark.parametrize("place", [0, 5, PIECE - 1, PIECE, 2 * PIECE, 2 * PIECE + 6])
@pytest.mark.parametrize("dtype", DTYPES)
def test_no_place_in_a_large_frame_is_overlooked(load: Load, dtype: str, place: int) -> None:
    features = 2 * PIECE + 7
    stream = load(running_sum(dtype, features)).stream()
    stream.step(frame(dtype, features=features))
    x = frame(dtype, features=features)
    x[0, 0, place] = np.nan
    with pytest.raises(NonFiniteInput, match=rf" at x\[0, 0, {place}\]: "):
        stream.step(x)
    np.testing.assert_array_equal(stream.step(frame(dtype, features=features)), frame(dtype, features=features) * 2)


def test_the_first_bad_value_is_named_also_where_the_array_is_not_contiguous(load: Load) -> None:
    stream = load(running_sum("float32")).stream(batch=2)
    x = np.ones((2, 4, 6), np.float32)[:, :, ::2]
    x[0, 3, 2], x[1, 0, 0] = np.inf, np.nan
    with pytest.raises(NonFiniteInput, match=r" at x\[0, 3, 2\]: .* \(got inf, "):
        stream.step(x)
    assert stream.frames_in == 0


@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_whose_squares_are_too_large_are_taken(load: Load, dtype: str) -> None:
    """Nor does numpy say a word about the overflow: warnings are errors here, and so are its flags."""
    features = 4
    largest, tiny = np.finfo(dtype).max, np.finfo(dtype).smallest_subnormal
    stream = load(running_sum(dtype, features)).stream()
    x = np.array([[[largest, -largest, tiny, 0]]], dtype)
    with np.errstate(all="raise"):
        for number, value in enumerate([x, x * 0, x * 0, -x, x, -x, -x]):
            answer = stream.step(value)
            if number < 3:
                np.testing.assert_array_equal(answer, x)


@pytest.mark.parametrize("after", [0, 2])
@pytest.mark.parametrize("dtype", DTYPES)
def test_pass_hands_them_to_the_graph(load: Load, dtype: str, after: int) -> None:
    stream = load(running_sum(dtype)).stream(on_nonfinite="pass")
    for _ in range(after):
        stream.step(frame(dtype))
    x = frame(dtype)
    x[0, 0, 1] = np.nan
    np.testing.assert_array_equal(np.isnan(np.asarray(stream.step(x))), [[[False, True, False]]])
    assert stream.position == after + 1


@pytest.mark.parametrize("after", [0, 2])
@pytest.mark.parametrize("name", ["a", "b"])
def test_each_of_several_inputs_is_looked_at(load: Load, name: str, after: int) -> None:
    made = handmade.scaled_sum()
    stream = load(made).stream(conditioning={"scale": np.ones((1, 2), np.float32)})
    good = {"a": np.ones((1, 1, 2), np.float32), "b": np.ones((1, 1, 2), np.float32)}
    for _ in range(after):
        stream.step(**good)
    bad = {**good, name: np.array([[[0, np.nan]]], np.float32)}
    ways: list[Callable[[], object]] = [lambda: stream.step(**bad), lambda: stream.step(bad)]
    for way in ways:
        with pytest.raises(NonFiniteInput, match=rf"^{name} holds a value that is not finite at {name}\[0, 0, 1\]: "):
            way()
    answer = stream.step(good)
    assert isinstance(answer, dict)
    np.testing.assert_array_equal(answer["sum"], [[4.0 * (after + 1)] * 2])


def test_frames_that_wait_are_not_lost(load: Load) -> None:
    made = handmade.strided_conv()
    stream = load(made).stream()
    x = np.random.default_rng(0).standard_normal((1, 5, 2)).astype(np.float32)
    parts = [stream.step(x[:, :3])]
    with pytest.raises(NonFiniteInput):
        stream.step(np.full((1, 3, 2), np.nan, np.float32))
    assert (stream.frames_waiting, stream.frames_in) == (1, 3)
    parts += [stream.step(x[:, 3:]), stream.flush()]
    np.testing.assert_allclose(np.concatenate([np.asarray(p) for p in parts], axis=1), made.whole(x)[0], atol=1e-6)


def test_integers_are_not_looked_at(load: Load) -> None:
    stream = load(handmade.embedding(5)).stream()
    for _ in range(3):
        assert np.asarray(stream.step(np.array([[4]]))).shape == (1, 1, 3)


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_conditioning_that_is_not_finite_is_refused(load: Load, bad: float) -> None:
    model = load(handmade.scaled_sum())
    scale = np.array([[1, bad]], np.float32)
    with pytest.raises(NonFiniteInput) as caught:
        model.stream(conditioning={"scale": scale})
    assert str(caught.value) == (
        "scale holds a value that is not finite at scale[0, 1]: a state would keep it, or turn it into plausible "
        f"numbers (got {bad}, wanted finite numbers). Give finite values, or open the stream with on_nonfinite='pass'."
    )
    ones = np.ones((1, 1, 2), np.float32)
    answer = model.stream(conditioning={"scale": scale}, on_nonfinite="pass").step(a=ones, b=ones)
    assert isinstance(answer, dict)
    np.testing.assert_array_equal(np.isfinite(answer["sum"]), [[True, False]])


@pytest.mark.parametrize("word", ["ignore", "RAISE", None, True])
def test_the_policy_is_one_of_two_words(load: Load, word: Any) -> None:
    with pytest.raises(UsageError) as caught:
        load(handmade.gru()).stream(on_nonfinite=word)
    assert str(caught.value) == f"unknown on_nonfinite (got {word!r}, wanted 'raise' or 'pass')."


def test_the_look_itself_can_fail() -> None:
    for dtype in DTYPES:
        for value in BAD:
            x = np.zeros(3 * PIECE, dtype)
            assert all_finite(x)
            x[-1] = value
            assert not all_finite(x)


def test_the_refusal_is_a_value_error_too() -> None:
    assert issubclass(NonFiniteInput, EdgeseqError)
    assert issubclass(NonFiniteInput, ValueError)


@pytest.mark.parametrize("features", [3, SHORT, SHORT + 1])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_bit_pattern_at_every_place_of_a_repeated_step(load: Load, dtype: str, features: int) -> None:
    """Few values are looked at by their exponents, more are multiplied."""
    stream, limits = load(running_sum(dtype, features)).stream(), np.finfo(dtype)
    stream.step(frame(dtype, features=features))
    whole = np.dtype(f"u{np.dtype(dtype).itemsize}")
    infinity = np.array([np.inf], dtype).view(whole)[0]
    sign = whole.type(1) << whole.type(8 * whole.itemsize - 1)
    bad = [infinity, infinity | sign, infinity + whole.type(1), infinity | sign | whole.type(1), ~whole.type(0)]
    for place in (0, features // 2, features - 1):
        for pattern in bad:
            x = frame(dtype, features=features)
            x.view(whole)[0, 0, place] = pattern
            with pytest.raises(NonFiniteInput):
                stream.step(x)
        for value in (limits.max, limits.min, limits.tiny, limits.max / 2, limits.smallest_subnormal, -0.0):
            x = np.zeros((1, 1, features), dtype)
            x[0, 0, place] = value
            before = stream.position
            stream.step(x)
            x[0, 0, place] = -value
            stream.step(x)
            assert stream.position == before + 2
