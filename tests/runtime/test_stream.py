"""A stream's answers, counters, waiting frames, conditioning and caches."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgeseq import runtime
from edgeseq.contract import Chunk, Length, Port
from edgeseq.errors import ContextFull, ProviderError, ShapeError, StreamEnded
from tests import handmade
from tests.handmade import Handmade

Array = npt.NDArray[Any]
Load = Callable[[Handmade], runtime.Model]


def frames(features: int, time: int, batch: int = 1) -> Array:
    return np.random.default_rng(0).standard_normal((batch, time, features)).astype(np.float32)


def array(answer: object) -> Array:
    assert isinstance(answer, np.ndarray)
    return answer


def test_a_delayed_stream_gives_nothing_at_first(load: Load) -> None:
    stream = load(handmade.centred_conv()).stream()
    x = frames(2, 3)
    assert array(stream.step(x[:, :1])).shape == (1, 0, 2)
    assert (stream.frames_in, stream.frames_out, stream.position) == (1, 0, 1)
    assert array(stream.step(x[:, 1:])).shape == (1, 2, 2)
    assert array(stream.flush()).shape == (1, 1, 2)
    assert (stream.frames_in, stream.frames_out, stream.position, stream.ended) == (3, 3, 4, True)


def test_frames_that_fill_no_multiple_wait(load: Load) -> None:
    stream = load(handmade.strided_conv()).stream()
    x = frames(2, 5)
    assert stream.expect(1) == 0
    assert array(stream.step(x[:, :1])).shape == (1, 0, 2)
    assert (stream.frames_in, stream.position) == (1, 0)
    assert stream.expect(4) == 2
    assert array(stream.step(x[:, 1:])).shape == (1, 2, 2)
    assert (stream.frames_in, stream.frames_out, stream.position) == (5, 2, 4)
    assert array(stream.flush()).shape == (1, 0, 2)


def test_the_answer_is_the_callers_own(load: Load) -> None:
    stream = load(handmade.gru()).stream()
    x = frames(4, 1)
    first = array(stream.step(x))
    kept = first.copy()
    for _ in range(5):
        second = array(stream.step(x))
        assert not np.shares_memory(first, second)
        second[...] = np.nan
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("chunks", [[1] * 6, [2, 1, 3], [1, 1, 2, 2]])
def test_out_is_filled_and_returned(load: Load, chunks: list[int]) -> None:
    model = load(handmade.centred_conv())
    plain, filled = model.stream(), model.stream()
    x, position = frames(2, 6), 0
    for size in chunks:
        part = x[:, position : position + size]
        expected = filled.expect(size)
        assert isinstance(expected, int)
        out = np.full((1, expected, 2), np.nan, np.float32)
        assert filled.step(part, out=out) is out
        np.testing.assert_array_equal(out, array(plain.step(part)))
        position += size


def test_several_outputs_fill_a_dict(load: Load) -> None:
    stream = load(handmade.scaled_sum()).stream(conditioning={"scale": np.ones((1, 2), np.float32)})
    out = {"y": np.empty((1, 3, 2), np.float32), "sum": np.empty((1, 2), np.float32)}
    for _ in range(2):
        answer = stream.step({"a": frames(2, 3), "b": frames(2, 3)}, out=out)
        assert isinstance(answer, dict)
        assert list(answer) == ["y", "sum"]
        assert answer["y"] is out["y"]
    assert stream.frames_out == 6
    np.testing.assert_allclose(out["y"], 2 * frames(2, 3) + 2, rtol=1e-6)


def test_one_input_may_be_given_by_name(load: Load) -> None:
    model = load(handmade.gru())
    x = frames(4, 2)
    np.testing.assert_array_equal(array(model.stream().step(x=x)), array(model.stream().step(x)))


def test_input_that_is_not_contiguous_is_taken(load: Load) -> None:
    model = load(handmade.gru())
    x = frames(8, 6)[:, ::2, ::2]
    for time in range(3):
        one, other = model.stream(), model.stream()
        np.testing.assert_array_equal(array(one.step(x[:, time:])), array(other.step(x[:, time:].copy())))


def test_flush_ends_the_stream(load: Load) -> None:
    stream = load(handmade.gru()).stream()
    x = frames(4, 1)
    first = array(stream.step(x))
    stream.step(x)
    stream.flush()
    refusals: list[Callable[[], object]] = [lambda: stream.step(x), stream.flush]
    for refused in refusals:
        with pytest.raises(
            StreamEnded, match=r"^the stream has ended: flush was called\. Call reset\(\) to start anew\.$"
        ):
            refused()
    stream.reset()
    np.testing.assert_array_equal(array(stream.step(x)), first)


def test_flush_of_an_empty_stream_is_empty(load: Load) -> None:
    for made in (handmade.gru(), handmade.centred_conv(), handmade.strided_conv()):
        stream = load(made.with_contract(min_frames=2)).stream(batch=2)
        assert array(stream.flush()).shape[:2] == (2, 0)
        assert stream.frames_in == 0


def test_flush_refuses_a_length_the_model_does_not_take(load: Load) -> None:
    made = handmade.strided_conv()
    x_port, y_port = made.contract.ports
    even = replace(y_port, length=Length(2, 1, (0, None)))
    stream = load(made.with_contract(ports=(x_port, even), min_frames=2)).stream()
    stream.step(frames(2, 3))
    with pytest.raises(ShapeError) as caught:
        stream.flush()
    assert str(caught.value) == (
        "the model takes no input of this length (got 3 frames, wanted at least 2, a multiple of 2). "
        "Step more frames, then flush again."
    )
    assert not stream.ended
    stream.step(frames(2, 1))
    assert array(stream.flush()).shape == (1, 0, 2)


def test_conditioning_starts_a_state_and_has_defaults(load: Load) -> None:
    made = handmade.scaled_sum()
    scale, seed = np.full((1, 2), 3, np.float32), np.full((1, 2), 10, np.float32)
    stream = load(made).stream(conditioning={"scale": scale, "seed": seed})
    x = frames(2, 4)
    _, total = made.whole(x, x, scale, 2.0, 10.0)
    scale[...] = seed[...] = np.nan
    for _ in range(2):
        answer = stream.step(a=x, b=x)
        assert isinstance(answer, dict)
        np.testing.assert_allclose(answer["sum"], total, rtol=1e-5)
        stream.reset()


def test_a_state_may_start_at_one_part_of_the_conditioning(load: Load) -> None:
    made = handmade.scaled_sum()
    seeds = Port("seed", "conditioning", "float32", (2, 2))
    (total,) = made.contract.states
    initial = replace(total.initial, index=1)
    ports = tuple(seeds if port.name == "seed" else port for port in made.contract.ports)
    model = load(made.with_contract(ports=ports, states=(replace(total, initial=initial),)))
    given = {"scale": np.ones((3, 2), np.float32), "seed": np.array([[1, 2], [30, 40]], np.float32)}
    answer = model.stream(batch=3, conditioning=given).step(a=frames(2, 1, 3) * 0, b=frames(2, 1, 3) * 0)
    assert isinstance(answer, dict)
    np.testing.assert_array_equal(answer["sum"], [[32, 42]] * 3)


def test_a_failed_flush_leaves_the_stream_as_it_was(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    made = handmade.centred_conv()
    stream = load(made).stream()
    x = frames(2, 5)
    parts = [array(stream.step(x[:, :3]))]
    with monkeypatch.context() as patch:
        patch.setattr(stream._feeder, "run", _fail)
        with pytest.raises(ProviderError, match=r"^onnxruntime failed at position 3: out of luck\. The stream is unch"):
            stream.flush()
    parts += [array(stream.step(x[:, 3:])), array(stream.flush())]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), made.whole(x)[0], atol=1e-6)


def _fail(*_: object) -> None:
    raise RuntimeError("out of luck.")


def test_a_summary_is_zeros_before_the_first_call(load: Load) -> None:
    made = handmade.scaled_sum().with_contract(chunk=Chunk(multiple=2))
    stream = load(made).stream(conditioning={"scale": np.ones((1, 2), np.float32)})
    answer = stream.step(a=frames(2, 1), b=frames(2, 1))
    assert isinstance(answer, dict)
    np.testing.assert_array_equal(answer["sum"], 0)


@pytest.mark.parametrize("max_context", [None, 2000, 700])
def test_caches_grow_up_to_the_context(load: Load, max_context: int | None) -> None:
    made = handmade.attention(max_context)
    stream = load(made).stream(batch=2)
    x, few = frames(2, 700, batch=2), stream.state_bytes
    parts = [array(stream.step(x[:, i : i + 1])) for i in range(300)]
    parts += [array(stream.step(x[:, 300:])), array(stream.flush())]
    assert stream.state_bytes > few
    np.testing.assert_allclose(np.concatenate(parts, axis=1), made.whole(x)[0], rtol=1e-4, atol=1e-5)


def test_reset_clears_a_cache_even_of_nan(load: Load) -> None:
    """A masked entry is weighed by zero, and zero times NaN is NaN."""
    made = handmade.attention(64)
    x = frames(2, 6)
    for sizes in ([6], [2, 4], [1] * 6):
        stream = load(made).stream(max_context=64, on_nonfinite="pass")
        position = 0
        for size in sizes:
            stream.step(np.full((1, size, 2), np.nan, np.float32))
        stream.reset()
        parts = []
        for size in sizes:
            parts.append(array(stream.step(x[:, position : position + size])))
            position += size
        np.testing.assert_allclose(np.concatenate(parts, axis=1), made.whole(x)[0], rtol=1e-4, atol=1e-5)


def test_a_full_context_is_refused_and_nothing_is_lost(load: Load) -> None:
    made = handmade.attention(64)
    stream = load(made).stream(max_context=5)
    x = frames(2, 5)
    parts = [array(stream.step(x[:, i : i + 1])) for i in range(3)]
    with pytest.raises(ContextFull) as caught:
        stream.step(frames(2, 3))
    assert str(caught.value) == (
        "the context is full at position 3 (got 3 more frames, wanted at most 5 in all). "
        "Call reset(), or open a stream with a larger max_context, at most 64."
    )
    parts += [array(stream.step(x[:, i : i + 1])) for i in (3, 4)]
    with pytest.raises(ContextFull):
        stream.step(x[:, :1])
    np.testing.assert_allclose(np.concatenate(parts, axis=1), made.whole(x)[0], rtol=1e-4, atol=1e-5)
    stream.flush()


@pytest.mark.parametrize(
    ("limit", "remedy"),
    [
        (5, "export the model with a larger max_context or a longer table of positions: the file ends here."),
        (None, "open a stream with a larger max_context."),
    ],
)
def test_a_full_context_says_whose_limit_it_is(load: Load, limit: int | None, remedy: str) -> None:
    stream = load(handmade.attention(limit)).stream(max_context=5)
    with pytest.raises(ContextFull, match=re.escape(f"Give fewer, or {remedy}") + "$"):
        stream.step(frames(2, 6))


@pytest.mark.parametrize("size", [1, 2])
def test_a_context_may_end_without_any_cache(load: Load, size: int) -> None:
    stream = load(handmade.gru().with_contract(max_context=6)).stream()
    for _ in range(2):
        for _ in range(0, 6, size):
            stream.step(frames(4, size))
        with pytest.raises(ContextFull, match=r"^the context is full at position 6 "):
            stream.step(frames(4, size))
        stream.reset()


def test_a_long_delay_is_kept_by_equal_steps(load: Load) -> None:
    made = handmade.causal_conv()
    x_port, y_port = made.contract.ports
    stream = load(made.with_contract(ports=(x_port, replace(y_port, delay=3)), delay=3)).stream()
    x = frames(2, 6)
    parts = [array(stream.step(x[:, i : i + 1])) for i in range(6)]
    assert [part.shape[1] for part in parts] == [0, 0, 0, 1, 1, 1]
    wanted = made.whole(np.pad(x, ((0, 0), (0, 3), (0, 0))))[0][:, 3:]
    np.testing.assert_allclose(np.concatenate([*parts, array(stream.flush())], axis=1), wanted, atol=1e-6)


def test_the_caller_may_reuse_the_array_it_gave(load: Load) -> None:
    made = handmade.strided_conv()
    stream = load(made).stream()
    x, frame, parts = frames(2, 6), np.empty((1, 1, 2), np.float32), []
    for time in range(6):
        frame[...] = x[:, time : time + 1]
        parts.append(array(stream.step(frame)))
        frame[...] = np.nan
    np.testing.assert_allclose(np.concatenate(parts, axis=1), made.whole(x)[0], atol=1e-6)


def test_filler_may_go_beyond_the_context(load: Load) -> None:
    made = handmade.attention(4)
    *ports, output = made.contract.ports
    stream = load(made.with_contract(ports=(*ports, replace(output, delay=3)), delay=3)).stream()
    stream.step(frames(2, 4))
    assert array(stream.flush()).shape == (1, 3, 2)
    assert (stream.position, stream.frames_out) == (7, 4)


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("flushed", [True, False])
def test_after_reset_the_same_bits_come_again(load: Load, size: int, flushed: bool) -> None:
    """The size of the latest call is taken up again at once."""
    for made in (handmade.gru(), handmade.strided_conv(), handmade.attention(), handmade.centred_conv_then_sum()):
        features = made.contract.ports[0].shape[-1]
        assert isinstance(features, int)
        x, stream, rounds = frames(features, 6), load(made).stream(), []
        for _ in range(3):
            parts = [array(stream.step(x[:, i : i + size])) for i in range(0, 6, size)]
            rounds.append(np.concatenate([*parts, *([array(stream.flush())] if flushed else [])], axis=1))
            stream.reset()
            assert (stream.position, stream.frames_in, stream.frames_out) == (0, 0, 0)
        np.testing.assert_array_equal(rounds[1], rounds[0])
        np.testing.assert_array_equal(rounds[2], rounds[0])
        if flushed:
            np.testing.assert_allclose(rounds[0], made.whole(x)[0], atol=2e-5)


def test_a_reset_after_the_caches_grew_finds_them(load: Load) -> None:
    made = handmade.attention()
    stream, x = load(made).stream(), frames(2, 300)
    for number in (300, 3, 300):
        parts = [array(stream.step(x[:, i : i + 1])) for i in range(number)]
        np.testing.assert_allclose(np.concatenate(parts, axis=1), made.whole(x[:, :number])[0], rtol=1e-4, atol=1e-5)
        stream.reset()


def test_a_reset_after_a_failure_in_grown_caches_finds_them(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    made = handmade.attention()
    stream, x = load(made).stream(), frames(2, 300)
    for i in range(250):
        stream.step(x[:, i : i + 1])
    with monkeypatch.context() as patch:
        patch.setattr(stream._feeder, "run", _fail)
        with pytest.raises(ProviderError):
            stream.step(x[:, 250:])
    stream.reset()
    parts = [array(stream.step(x[:, i : i + 1])) for i in range(300)]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), made.whole(x)[0], rtol=1e-4, atol=1e-5)


def test_a_summary_is_zeros_again_after_reset(load: Load) -> None:
    stream = load(handmade.scaled_sum()).stream(conditioning={"scale": np.ones((1, 2), np.float32)})
    stream.step(a=frames(2, 1), b=frames(2, 1))
    stream.reset()
    answer = stream.flush()
    assert isinstance(answer, dict)
    np.testing.assert_array_equal(answer["sum"], 0)


@pytest.mark.parametrize("after", [0, 2])
def test_a_dict_of_one_output_is_filled_and_returned(load: Load, after: int) -> None:
    plain, filled = (load(handmade.gru()).stream() for _ in range(2))
    x = frames(4, 1)
    for _ in range(after):
        plain.step(x)
        filled.step(x)
    out = {"y": np.empty((1, 1, 8), np.float32)}
    assert filled.step(x, out=out) is out
    np.testing.assert_array_equal(out["y"], array(plain.step(x)))


def test_a_stream_shows_itself(load: Load) -> None:
    model = load(handmade.gru())
    stream = model.stream(batch=2)
    stream.step(frames(4, 3, batch=2))
    shown = "Stream(x -> y, batch=2, delay=0, position=3, state_bytes=128, device='cpu'"
    assert repr(stream) == f"{shown})"
    stream.flush()
    assert repr(stream) == f"{shown}, ended)"
    stream.close()
    assert repr(stream) == f"{shown.replace('128', '0')}, closed)"
    assert repr(model).endswith("x -> y, device='cpu')")


def test_a_stream_shows_what_waits_and_what_was_missing(load: Load) -> None:
    made = handmade.strided_conv()
    ports = (made.contract.ports[0], replace(made.contract.ports[1], delay=1))
    stream = load(made.with_contract(ports=ports, delay=2)).stream(on_missing="zero")
    stream.missing(3)
    assert (stream.delay, stream.frames_waiting, stream.frames_missing) == (2, 1, 3)
    assert repr(stream) == (
        "Stream(x -> y, batch=1, delay=2, position=2, waiting=1, missing=3, state_bytes=16, device='cpu')"
    )
