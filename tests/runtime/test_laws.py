"""The laws, on handmade files: what a stream gives, chunk by chunk, is what the whole sequence gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeseq import runtime
from edgeseq.contract import Chunk
from tests import handmade
from tests.handmade import Handmade

Array = npt.NDArray[Any]
Load = Callable[[Handmade], runtime.Model]

TIMED: dict[str, Handmade] = {
    "gru": handmade.gru(),
    "causal_conv": handmade.causal_conv(),
    "left_context": handmade.left_context(),
    "centred_conv": handmade.centred_conv(),
    "centred_conv_then_sum": handmade.centred_conv_then_sum(),
    "strided_conv": handmade.strided_conv(),
    "attention": handmade.attention(),
}

chunkings = st.lists(st.integers(1, 7), min_size=1, max_size=12)
limits = st.sampled_from([(None, None), (4, None), (2, None), (None, 2)])


@pytest.fixture(scope="module")
def models(load: Load) -> dict[tuple[str, Any], runtime.Model]:
    """Every model under every limit on its calls."""
    built = {}
    for name, made in TIMED.items():
        for largest, batched in [(None, None), (4, None), (2, None), (None, 2)]:
            chunk = Chunk(made.contract.chunk.multiple, largest, batched)
            built[name, (largest, batched)] = load(made.with_contract(chunk=chunk))
    return built


def streamed(stream: runtime.Stream, x: Array, chunks: list[int]) -> Array:
    """Everything a stream gives for ``x``, cut into ``chunks``."""
    parts, position = [], 0
    for size in chunks:
        part = stream.step(x[:, position : position + size])
        assert isinstance(part, np.ndarray)
        parts.append(part)
        position += size
    tail = stream.flush()
    assert isinstance(tail, np.ndarray)
    return np.concatenate([*parts, tail], axis=1)


def assert_close(got: Array, wanted: Array) -> None:
    """Equal but for float32 sums in another order; the running sum reaches some 50."""
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=2e-5)


def frames(made: Handmade, batch: int, time: int, seed: int = 0) -> Array:
    features = made.contract.ports[0].shape[-1]
    assert isinstance(features, int)
    return np.random.default_rng(seed).standard_normal((batch, time, features)).astype(np.float32)


@pytest.mark.parametrize("name", TIMED)
@settings(max_examples=40, deadline=None)
@given(chunks=chunkings, limit=limits, batch=st.integers(1, 3))
def test_concatenation_law(
    models: dict[tuple[str, Any], runtime.Model], name: str, chunks: list[int], limit: Any, batch: int
) -> None:
    x = frames(TIMED[name], batch, sum(chunks))
    got = streamed(models[name, limit].stream(batch=batch), x, chunks)
    assert_close(got, TIMED[name].whole(x)[0])


def test_the_law_can_fail(load: Load) -> None:
    """The comparison above sees a delay that is wrong by one frame."""
    made = handmade.centred_conv()
    *ports, output = made.contract.ports
    late = replace(output, delay=2)
    x = frames(made, 1, 9)
    got = streamed(load(made.with_contract(ports=(*ports, late))).stream(), x, [3, 6])
    with pytest.raises(AssertionError):
        assert_close(got, made.whole(x)[0])


def test_the_start_of_a_state_is_needed(load: Load) -> None:
    """Without ``start`` the running sum would hold the frame that is not real."""
    made = handmade.centred_conv_then_sum()
    history, total = made.contract.states
    x = frames(made, 1, 9)
    got = streamed(load(made.with_contract(states=(history, replace(total, start=0)))).stream(), x, [9])
    assert np.abs(got - made.whole(x)[0]).max() > 0.1


@pytest.mark.parametrize("name", TIMED)
def test_reset_leaves_nothing_behind(load: Load, name: str) -> None:
    model = load(TIMED[name])
    x = frames(TIMED[name], 2, 13)
    fresh = streamed(model.stream(batch=2), x, [1, 5, 7])
    used = model.stream(batch=2)
    used.step(frames(TIMED[name], 2, 21, seed=1) * 1000)
    used.reset()
    np.testing.assert_array_equal(streamed(used, x, [1, 5, 7]), fresh)
    used.reset()
    np.testing.assert_array_equal(streamed(used, x, [1, 5, 7]), fresh)


@pytest.mark.parametrize("name", TIMED)
def test_a_loud_neighbour_changes_nothing(load: Load, name: str) -> None:
    model = load(TIMED[name])
    x = frames(TIMED[name], 3, 13)
    quiet = streamed(model.stream(batch=3), x, [1, 5, 7])
    x[1] *= 1000
    np.testing.assert_array_equal(streamed(model.stream(batch=3), x, [1, 5, 7])[[0, 2]], quiet[[0, 2]])


@pytest.mark.parametrize("name", TIMED)
def test_two_futures_have_one_past(load: Load, name: str) -> None:
    model = load(TIMED[name])
    x = frames(TIMED[name], 1, 12)
    one, other = model.stream(), model.stream()
    assert_equal(one.step(x[:, :5]), other.step(x[:, :5]))
    one.step(x[:, 5:])
    other.step(x[:, 5:] * -100)
    assert one.frames_out == other.frames_out


def assert_equal(got: object, wanted: object) -> None:
    assert isinstance(got, np.ndarray)
    assert isinstance(wanted, np.ndarray)
    np.testing.assert_array_equal(got, wanted)


def test_two_streams_of_one_model_are_independent(load: Load) -> None:
    model = load(TIMED["gru"])
    x = frames(TIMED["gru"], 2, 10)
    alone = [streamed(model.stream(), x[row : row + 1], [1] * 10) for row in range(2)]
    streams = [model.stream(), model.stream()]
    parts: list[list[Array]] = [[], []]
    for time in range(10):
        for row in range(2):
            part = streams[row].step(x[row : row + 1, time : time + 1])
            assert isinstance(part, np.ndarray)
            parts[row].append(part)
    for row in range(2):
        np.testing.assert_array_equal(np.concatenate(parts[row], axis=1), alone[row])


@settings(max_examples=30, deadline=None)
@given(chunks=chunkings)
def test_prefix_law(load: Load, chunks: list[int]) -> None:
    made = handmade.scaled_sum()
    model = _scaled_sum(load)
    a, b = (np.random.default_rng(seed).standard_normal((2, sum(chunks), 2)).astype(np.float32) for seed in (1, 2))
    scale = np.array([[1, 2], [3, 4]], np.float32)
    stream = model.stream(batch=2, conditioning={"scale": scale})
    position = 0
    for size in chunks:
        answer = stream.step(a=a[:, position : position + size], b=b[:, position : position + size])
        assert isinstance(answer, dict)
        y, total = made.whole(a[:, : position + size], b[:, : position + size], scale)
        assert_close(answer["y"], y[:, position:])
        assert_close(answer["sum"], total)
        position += size
    tail = stream.flush()
    assert isinstance(tail, dict)
    assert tail["y"].shape == (2, 0, 2)
    np.testing.assert_array_equal(tail["sum"], answer["sum"])


_BUILT: list[runtime.Model] = []


def _scaled_sum(load: Load) -> runtime.Model:
    if not _BUILT:
        _BUILT.append(load(handmade.scaled_sum()))
    return _BUILT[0]
