"""Files made elsewhere stream under the contract that they are given, and give what they give as a whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgeseq import runtime
from edgeseq.contract import Chunk, Initial
from edgeseq.errors import NotDeclared
from edgeseq.runtime.adopting.comparing import Tolerance, distance
from tests import handmade, strangers
from tests.strangers import frames, running_sum, write

Array = npt.NDArray[Any]
PAIRS = {"h": "hn", "c": "cn"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.onnx"


def checks(model: runtime.Model) -> list[str]:
    return [check["name"] for check in (model.contract.verification or {})["checks"]]


def test_an_lstm_with_both_states(path: Path) -> None:
    whole, x = strangers.lstm(path), frames(3, 20, 4)
    before = path.read_bytes()
    model = runtime.adopt(path, states=PAIRS)
    stream = model.stream(batch=3)
    parts: list[Any] = [stream.step(x[:, :1]), stream.step(x[:, 1:2]), stream.step(x[:, 2:20]), stream.flush()]
    np.testing.assert_allclose(np.concatenate(parts, 1), whole(x), atol=1e-6)
    assert checks(model) == ["pairs", "chunks", "reset", "neighbours"]
    assert (model.contract.chunk, model.contract.mode) == (Chunk(), {"name": "adopted"})
    assert path.read_bytes() == before
    assert [item.name for item in path.parent.iterdir()] == ["m.onnx"]


def test_an_lstm_without_a_name_for_its_axes(path: Path) -> None:
    """Calls of five frames, one row; what waits at the end is completed with zeros and not given."""
    whole, x = strangers.lstm(path, frames=5), frames(1, 23, 4)
    model = runtime.adopt(path, states=PAIRS, axes={"x": "batch,time,4", "y": "batch,time,3"})
    assert model.contract.chunk == Chunk(5, 5)
    np.testing.assert_allclose(np.asarray(model.run(x)), whole(x), atol=1e-6)
    assert checks(model) == ["pairs", "chunks", "reset"]


@pytest.mark.parametrize("make", [handmade.gru, handmade.causal_conv])
def test_states_in_pairs(path: Path, make: Callable[[], handmade.Handmade]) -> None:
    """A recurrent state, and a cache of a convolution's past frames."""
    made = make()
    made.save_bare(path)
    (state,) = made.contract.states
    x = frames(2, 17, int(made.contract.ports[0].shape[-1]))
    model = runtime.adopt(path, states={state.input: state.output})
    np.testing.assert_allclose(np.asarray(model.run(x)), made.whole(x)[0], atol=1e-6)


def test_left_context_as_overlap(path: Path) -> None:
    made = handmade.left_context()
    made.save_bare(path)
    x = frames(2, 17, 2)
    model = runtime.adopt(path, overlap={"x": 2}, axes={"x": "batch,time,2"})
    np.testing.assert_allclose(np.asarray(model.run(x)), made.whole(x)[0], atol=1e-6)
    assert model.contract.states == ()


def test_left_context_as_a_pair(path: Path) -> None:
    """The graph takes the samples before a call apart from the call, and gives back those for the next."""
    graph = """smooth (float[batch,160] chunk, float[batch,4] left_context) => (float[batch,160] clean, float[batch,4]
        new_context) {
        cat = Concat<axis=1>(left_context, chunk)
        wide = Unsqueeze(cat, one)
        made = Conv(wide, kernel)
        clean = Squeeze(made, one)
        new_context = Slice(chunk, last, end, one)
    }"""
    kernel = frames(1, 1, 5)
    write(path, graph, one=np.array([1]), last=np.array([-4]), end=np.array([2**62]), kernel=kernel)
    said: dict[str, Any] = {"states": {"left_context": "new_context"}, "frame_period": 1 / 16_000}
    model = runtime.adopt(path, **said, axes={"chunk": "batch,time", "clean": "batch,time"})
    x = frames(1, 500)
    wanted = np.convolve(np.concatenate([np.zeros(4, np.float32), x[0]]), kernel[0, 0, ::-1], "valid")
    np.testing.assert_allclose(np.asarray(model.run(x))[0], wanted, atol=1e-5)


def test_frames_at_half_the_rate(path: Path) -> None:
    made = handmade.strided_conv()
    made.save_bare(path)
    x = frames(2, 17, 2)
    model = runtime.adopt(path, states={"history": "history.next"}, chunk=2)
    assert model.contract.chunk == Chunk(2)
    assert str(model.contract.port("y").ratio) == "1/2"
    wanted = made.whole(x[:, :16])[0]
    got = np.asarray(model.run(x))
    np.testing.assert_allclose(got[:, :8], wanted, atol=1e-6)
    assert got.shape[1] == 9, "the last frame is completed with zeros"


def test_conditioning_constants_and_several_inputs(path: Path) -> None:
    made = handmade.scaled_sum()
    made.save_bare(path)
    model = runtime.adopt(path, states={"total": "total.next"}, constants={"start": 2}, axes={"scale": "batch,2"})
    a, b, scale = frames(2, 9, 2), frames(2, 9, 2, seed=6), frames(2, 2)
    got = model.run({"a": a, "b": b}, conditioning={"scale": scale})
    assert isinstance(got, dict)
    for name, wanted in zip(("y", "sum"), made.whole(a, b, scale), strict=True):
        np.testing.assert_allclose(got[name], wanted, atol=1e-5)


def test_frames_without_a_time_axis(path: Path) -> None:
    """A hand-written step: one frame of four values in a call, three out."""
    graph = """step (float[batch,4] x, float[batch,3] h) => (float[batch,3] y, float[batch,3] h_next) {
        wx = MatMul(x, w)
        wh = MatMul(h, r)
        sum = Add(wx, wh)
        h_next = Tanh(sum)
        y = Identity(h_next)
    }"""
    w, r = frames(4, 3), frames(3, 3, seed=6)
    write(path, graph, w=w, r=r)
    model = runtime.adopt(path, states={"h": "h_next"}, axes={"x": "batch,time", "y": "batch,3*time/4"})
    stream, h = model.stream(batch=2), np.zeros((2, 3), np.float32)
    for frame in frames(5, 2, 4):
        h = np.tanh(frame @ w + h @ r)
        np.testing.assert_allclose(np.asarray(stream.step(frame)), h, atol=1e-6)


def test_frames_in_front_and_one_row_in_the_graph(path: Path) -> None:
    """Fixed shapes, no batch: 13 frames of context, 32 new ones, at half the rate out; a counter beside the cache."""
    graph = """window (float[1,45,2] x, float[1,2] cached_sum, int64[1] processed) => (float[1,16,2] encoder_out,
        float[1,2] new_cached_sum, int64[1] new_processed) {
        new = Slice(x, first, end, one)
        half = Slice(new, zero, end, one, two)
        total = ReduceSum<keepdims=0>(x, one)
        new_cached_sum = Add(cached_sum, total)
        before = Unsqueeze(cached_sum, one)
        number = Cast<to=1>(processed)
        later = Add(half, number)
        encoder_out = Add(later, before)
        new_processed = Add(processed, step)
    }"""
    numbers = {"first": 13, "end": 2**62, "zero": 0, "one": 1, "two": 2, "step": 16}
    write(path, graph, **{name: np.array([value]) for name, value in numbers.items()})
    with pytest.raises(NotDeclared) as caught:
        runtime.adopt(path, overlap={"x": 13})
    pairs = {"cached_sum": "new_cached_sum", "processed": "new_processed"}
    assert caught.value.missing == {"states": pairs, "axes": {"x": None}}
    axes = {"x": "1,time,2", "encoder_out": "1,time/2,2"}
    model = runtime.adopt(path, states=pairs, overlap={"x": 13}, axes=axes)
    assert model.contract.chunk == Chunk(32, 32)
    x = frames(1, 96, 2)
    padded = np.concatenate([np.zeros((1, 13, 2), np.float32), x], 1)
    sums = [padded[:, first : first + 45].sum(1) for first in (0, 32, 64)]
    wanted = [x[:, 32 * n : 32 * n + 32 : 2] + 16 * n + sum(sums[:n]) for n in range(3)]
    np.testing.assert_allclose(np.asarray(model.run(x)), np.concatenate(wanted, 1), atol=1e-4)


@pytest.mark.parametrize("value", [5, [[[5.0, 5.0]]]])
def test_states_that_do_not_start_at_zero(path: Path, value: Any) -> None:
    running_sum(path)
    model = runtime.adopt(path, states={"total": "total_out"}, initial={"total": value})
    kinds = {Initial("fill", value=5.0).kind, "data"}
    assert model.contract.states[0].initial.kind in kinds
    np.testing.assert_array_equal(np.asarray(model.run(np.zeros((1, 2, 2), np.float32))), np.full((1, 2, 2), 5))


# What is near enough.


def test_the_comparison_tells_the_worst_place_and_what_is_allowed_there() -> None:
    wanted = np.array([[1.0, -8.0, 2.0]], np.float32)
    got = wanted + np.array([[0.0, 0.001, 0.002]], np.float32)
    found = distance(got, wanted, Tolerance())
    assert (found.place, found.holds) == ((0, 2), True)
    assert found.far == pytest.approx(0.002, rel=1e-3)
    assert found.allowed == pytest.approx(8 * 2**-11.5)
    assert found.share == pytest.approx(found.far / found.allowed)


@pytest.mark.parametrize("wrong", [1.01, np.nan, np.inf])
def test_the_comparison_can_fail(wrong: float) -> None:
    found = distance(np.array([1.0, wrong], np.float32), np.ones(2, np.float32), Tolerance())
    assert (found.place, found.holds) == ((1,), False)


def test_whole_numbers_have_no_digits_to_lose() -> None:
    one, two = np.array([1]), np.array([2])
    assert distance(one, one, Tolerance()).holds
    assert not distance(one, two, Tolerance()).holds
    assert distance(one, two, Tolerance(atol=1.0)).holds
