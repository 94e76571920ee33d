"""Wrong arguments: a clear message, and a stream that goes on as if nothing had been asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgeseq import runtime
from edgeseq.contract import Chunk
from edgeseq.errors import ContextFull, EdgeseqError, ProviderError, ShapeError, UsageError
from tests import handmade
from tests.handmade import Handmade

Array = npt.NDArray[Any]
Load = Callable[[Handmade], runtime.Model]

GOOD = np.full((1, 1, 4), 0.5, np.float32)
BAD: dict[str, tuple[Any, str]] = {
    "dtype": (
        GOOD.astype(np.float64),
        "x has the wrong dtype (got float64, wanted float32). Convert it with x.astype(np.float32).",
    ),
    "byte order": (
        GOOD.astype(">f4"),
        "x has the wrong dtype (got >f4, wanted float32). Convert it with x.astype(np.float32).",
    ),
    "integers": (
        np.zeros((1, 1, 4), np.int64),
        "x has the wrong dtype (got int64, wanted float32). Convert it with x.astype(np.float32).",
    ),
    "objects": (
        np.full((1, 1, 4), None),
        "x has the wrong dtype (got object, wanted float32). Convert it with x.astype(np.float32).",
    ),
    "strings": (
        np.full((1, 1, 4), "a"),
        "x has the wrong dtype (got <U1, wanted float32). Convert it with x.astype(np.float32).",
    ),
    "str": (
        "frame",
        "x is not a numpy array (got str, wanted a float32 array of shape [1, time, 4]). "
        "Build it with np.asarray(x, dtype=np.float32).",
    ),
    "None": (
        None,
        "x is not a numpy array (got NoneType, wanted a float32 array of shape [1, time, 4]). "
        "Build it with np.asarray(x, dtype=np.float32).",
    ),
    "list": (
        [[[0.5] * 4]],
        "x is not a numpy array (got list, wanted a float32 array of shape [1, time, 4]). "
        "Build it with np.asarray(x, dtype=np.float32).",
    ),
    "rank": (
        GOOD[0],
        "x has the wrong number of axes (got 2 in shape [1, 4], wanted 3 in shape [1, time, 4]). "
        "Give every axis, also those of size 1, with reshape.",
    ),
    "features": (GOOD[:, :, :3], "x has the wrong shape (got [1, 1, 3], wanted [1, time, 4])."),
    "batch": (np.zeros((2, 1, 4), np.float32), "x has the wrong shape (got [2, 1, 4], wanted [1, time, 4])."),
    "no frames": (
        GOOD[:, :0],
        "x has the wrong shape (got [1, 0, 4], wanted [1, time, 4]). Give at least one frame, and at least one row.",
    ),
    "no batch": (
        GOOD[:0],
        "x has the wrong shape (got [0, 1, 4], wanted [1, time, 4]). Give at least one frame, and at least one row.",
    ),
    "another name": ({"z": GOOD}, "the inputs do not match the model's (got z, wanted x)."),
    "no name": ({}, "the inputs do not match the model's (got none, wanted x)."),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_refused_step_changes_nothing(load: Load, bad: str, after: int) -> None:
    """``after`` good steps, so that each path of ``step`` meets the bad one."""
    made = handmade.gru()
    stream = load(made).stream()
    parts = [stream.step(GOOD) for _ in range(after)]
    value, message = BAD[bad]
    with pytest.raises(ShapeError) as caught:
        stream.step(value)
    assert str(caught.value) == message
    parts += [stream.step(GOOD) for _ in range(5 - after)]
    got = np.concatenate([np.asarray(part) for part in parts], axis=1)
    np.testing.assert_allclose(got, made.whole(np.repeat(GOOD, 5, axis=1))[0], atol=1e-6)


@pytest.mark.parametrize("after", [0, 2])
def test_inputs_come_by_name_or_as_one_argument(load: Load, after: int) -> None:
    stream = load(handmade.gru()).stream()
    for _ in range(after):
        stream.step(GOOD)
    with pytest.raises(ShapeError, match=r"^give the inputs by name or as one argument, not both"):
        stream.step(GOOD, x=GOOD)


def test_several_inputs_are_given_by_name(load: Load) -> None:
    stream = load(handmade.scaled_sum()).stream(conditioning={"scale": np.ones((1, 2), np.float32)})
    with pytest.raises(ShapeError) as caught:
        stream.step(np.zeros((1, 1, 2), np.float32))
    assert str(caught.value) == (
        "this model has several inputs (wanted a, b). Give them by name: step(name=array, ...)."
    )
    with pytest.raises(ShapeError, match=r"^the inputs do not hold the same stretch of time"):
        stream.step(a=np.zeros((1, 1, 2), np.float32), b=np.zeros((1, 2, 2), np.float32))
    with pytest.raises(ShapeError, match=r"^the inputs do not match the model's \(got a, wanted a, b\)"):
        stream.step(a=np.zeros((1, 1, 2), np.float32))


@pytest.mark.parametrize("after", [0, 2])
def test_conditioning_given_to_a_step_is_sent_to_where_it_belongs(load: Load, after: int) -> None:
    ones = np.ones((1, 2), np.float32)
    stream = load(handmade.scaled_sum()).stream(conditioning={"scale": ones})
    for _ in range(after):
        stream.step(a=ones[None], b=ones[None])
    with pytest.raises(ShapeError) as caught:
        stream.step(a=ones[None], b=ones[None], scale=ones)
    assert str(caught.value) == (
        "the inputs do not match the model's (got a, b, scale, wanted a, b). "
        "Give scale once per stream: model.stream(conditioning={'scale': array})."
    )
    assert stream.position == after


BAD_OUT: dict[str, Any] = {
    "shape": np.empty((1, 2, 8), np.float32),
    "dtype": np.empty((1, 1, 8), np.float64),
    "list": [0.0] * 8,
    "dict of nothing": {},
}


@pytest.mark.parametrize("bad", BAD_OUT)
@pytest.mark.parametrize("after", [0, 2])
def test_out_must_fit(load: Load, bad: str, after: int) -> None:
    stream = load(handmade.gru()).stream()
    for _ in range(after):
        stream.step(GOOD)
    with pytest.raises(ShapeError, match=r"^(out for y does not fit|the names in out)"):
        stream.step(GOOD, out=BAD_OUT[bad])
    assert stream.position == after


@pytest.mark.parametrize("after", [0, 2])
def test_out_must_be_contiguous_and_writable(load: Load, after: int) -> None:
    stream = load(handmade.gru()).stream()
    for _ in range(after):
        stream.step(GOOD)
    frozen = np.empty((1, 1, 8), np.float32)
    frozen.setflags(write=False)
    for out in (np.empty((1, 1, 16), np.float32)[:, :, ::2], frozen):
        with pytest.raises(
            ShapeError, match=r"^out for y must be C-contiguous and writable\. Make it with np\.empty\.$"
        ):
            stream.step(GOOD, out=out)
    assert stream.position == after


FROZEN = np.empty((1, 1, 2), np.float32)
FROZEN.setflags(write=False)
BAD_OUTS: dict[str, Any] = {
    "an array": np.empty((1, 1, 2), np.float32),
    "one too few": {"y": np.empty((1, 1, 2), np.float32)},
    "another name": {"y": np.empty((1, 1, 2), np.float32), "total": np.empty((1, 2), np.float32)},
    "too many frames": {"y": np.empty((1, 2, 2), np.float32), "sum": np.empty((1, 2), np.float32)},
    "dtype": {"y": np.empty((1, 1, 2), np.float32), "sum": np.empty((1, 2), np.float64)},
    "not contiguous": {"y": np.empty((1, 1, 4), np.float32)[:, :, ::2], "sum": np.empty((1, 2), np.float32)},
    "not writable": {"y": FROZEN, "sum": np.empty((1, 2), np.float32)},
    "no array": {"y": np.empty((1, 1, 2), np.float32), "sum": [0.0, 0.0]},
}


@pytest.mark.parametrize("bad", BAD_OUTS)
@pytest.mark.parametrize("after", [0, 2])
def test_every_out_of_several_must_fit(load: Load, bad: str, after: int) -> None:
    stream = load(handmade.scaled_sum()).stream(conditioning={"scale": np.ones((1, 2), np.float32)})
    a = np.ones((1, 1, 2), np.float32)
    for _ in range(after):
        stream.step(a=a, b=a)
    for _ in range(2):
        with pytest.raises(ShapeError, match=r"^(out for (y|sum) |out must be a dict|the names in out )"):
            stream.step(a=a, b=a, out=BAD_OUTS[bad])
    assert stream.position == after
    answer = stream.step(a=a, b=a)
    assert isinstance(answer, dict)
    np.testing.assert_array_equal(answer["sum"], [[4.0 * (after + 1)] * 2])


@pytest.mark.parametrize("wrong", [0, 2])
@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_out_must_have_the_frames_that_are_ready(load: Load, chunk: int, wrong: int) -> None:
    """Beside a delay and frames that wait, ``wrong`` steps after the start."""
    for made in (handmade.centred_conv(), handmade.strided_conv()):
        stream = load(made).stream()
        x = np.ones((1, chunk, 2), np.float32)
        for _ in range(wrong):
            stream.step(x)
        ready, before = stream.expect(chunk), repr(stream)
        assert isinstance(ready, int)
        for frames in {ready - 1, ready + 1} - {-1}:
            with pytest.raises(ShapeError, match=r"^out for y does not fit "):
                stream.step(x, out=np.empty((1, frames, 2), np.float32))
        assert repr(stream) == before
        assert np.asarray(stream.step(x, out=np.empty((1, ready, 2), np.float32))).shape == (1, ready, 2)


def test_the_message_about_out_says_how_to_make_it(load: Load) -> None:
    with pytest.raises(ShapeError) as caught:
        load(handmade.gru()).stream().step(GOOD, out=np.empty(3))
    assert str(caught.value) == (
        "out for y does not fit (got float64 [3], wanted float32 [1, 1, 8]). "
        "Make it with np.empty((1, 1, 8), np.float32); stream.expect(k) counts its frames."
    )


@pytest.mark.parametrize("batch", [0, -1, 1.0, "1", None, True])
def test_batch_is_a_count(load: Load, batch: Any) -> None:
    with pytest.raises(ShapeError, match=r"^batch must be a whole number from 1"):
        load(handmade.gru()).stream(batch=batch)


@pytest.mark.parametrize("max_context", [0, -1, 1.5, "8", True])
def test_max_context_is_a_count(load: Load, max_context: Any) -> None:
    with pytest.raises(UsageError, match=r"^max_context must be a whole number from 1, or None"):
        load(handmade.attention()).stream(max_context=max_context)


def test_max_context_stays_within_the_models(load: Load) -> None:
    with pytest.raises(UsageError) as caught:
        load(handmade.attention(64)).stream(max_context=65)
    assert str(caught.value) == (
        "max_context is more than the model can hold (got 65, wanted at most 64). "
        "Export the model again with a larger max_context."
    )


@pytest.mark.parametrize("size", [2**45, 2**62, 2**70])
def test_a_stream_too_large_for_memory(load: Load, size: int) -> None:
    model = load(handmade.attention())
    too_large: list[Callable[[], object]] = [
        lambda: model.stream(max_context=size),
        lambda: model.stream(batch=size),
        lambda: model.stream(batch=size, on_missing="hold"),
    ]
    for opening in too_large:
        with pytest.raises(ProviderError, match=r"^there is no memory for this stream: .*Take a smaller batch or max"):
            opening()


def test_a_cache_that_cannot_grow(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = load(handmade.attention()).stream()
    x = np.random.default_rng(0).standard_normal((1, 300, 2)).astype(np.float32)
    first = np.asarray(stream.step(x[:, :200]))
    with monkeypatch.context() as patch:
        patch.setattr("edgeseq.runtime.states.zeros", _no_memory)
        with pytest.raises(ContextFull, match=r"^there is no memory for a longer context at position 200"):
            stream.step(x[:, 200:])
    got = np.concatenate([first, np.asarray(stream.step(x[:, 200:]))], axis=1)
    np.testing.assert_allclose(got, handmade.attention().whole(x)[0], rtol=1e-4, atol=1e-5)


def _no_memory(*_: object) -> None:
    raise MemoryError("all gone")


ONES = np.ones((2, 2), np.float32)
BAD_CONDITIONING: dict[str, tuple[Any, str]] = {
    "missing": (None, "conditioning is missing: scale. Give it with model.stream(conditioning={'scale': array})."),
    "unknown": (
        {"scale": ONES, "speaker": ONES},
        "unknown conditioning: speaker. This model takes scale, start, seed.",
    ),
    "dtype": (
        {"scale": ONES.astype(np.float64)},
        "scale has the wrong dtype (got float64, wanted float32). Convert it with scale.astype(np.float32).",
    ),
    "batch": ({"scale": ONES[:1]}, "scale has the wrong shape (got [1, 2], wanted [2, 2])."),
    "not a dict": (
        ONES,
        "conditioning is not a dict (got ndarray, wanted {name: array}, or None). This model takes scale, start, seed.",
    ),
}


@pytest.mark.parametrize("bad", BAD_CONDITIONING)
def test_conditioning_must_fit(load: Load, bad: str) -> None:
    value, message = BAD_CONDITIONING[bad]
    with pytest.raises(ShapeError) as caught:
        load(handmade.scaled_sum()).stream(batch=2, conditioning=value)
    assert str(caught.value) == message


@pytest.mark.parametrize(("token", "got"), [(5, 5), (-1, -1)])
@pytest.mark.parametrize("after", [0, 2])
def test_a_token_beside_its_table_is_refused(load: Load, token: int, got: int, after: int) -> None:
    """onnxruntime would take -1 for the last row, without a word."""
    stream = load(handmade.embedding(5)).stream()
    for _ in range(after):
        stream.step(np.array([[1]]))
    for tokens in ([[token]], [[0, token, 1]]):
        with pytest.raises(ShapeError) as caught:
            stream.step(np.array(tokens))
        assert str(caught.value) == f"tokens is out of range (got {got}, wanted from 0 to 4)."
    assert stream.position == after
    stream.step(np.array([[4]]))


def _without_range() -> Handmade:
    made = handmade.embedding(5)
    tokens, y = made.contract.ports
    return made.with_contract(ports=(replace(tokens, range=None), y), chunk=Chunk(max=2))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("after", [0, 2])
def test_a_failure_of_onnxruntime_leaves_the_stream_as_it_was(load: Load, after: int) -> None:
    stream = load(_without_range()).stream()
    for _ in range(after):
        stream.step(np.array([[1]]))
    with pytest.raises(ProviderError, match=rf"^onnxruntime failed at position {after}: .*The stream is unchanged\.$"):
        stream.step(np.array([[7]]))
    assert np.asarray(stream.step(np.array([[1]]))).shape == (1, 1, 3)


def test_a_failure_halfway_through_a_step_asks_for_reset(load: Load) -> None:
    stream = load(_without_range()).stream()
    with pytest.raises(
        ProviderError, match=r"^onnxruntime failed at position 2: .*step was applied: call reset\(\)\.$"
    ):
        stream.step(np.array([[1, 2, 7]]))
    with pytest.raises(ProviderError, match=r"^the stream is broken: .*Call reset\(\) to start anew\.$"):
        stream.step(np.array([[1]]))
    stream.reset()
    assert np.asarray(stream.step(np.array([[1, 2, 3]]))).shape == (1, 3, 3)


def test_every_refusal_is_an_edgeseq_error() -> None:
    for error in (ShapeError, ProviderError, UsageError):
        assert issubclass(error, EdgeseqError)
