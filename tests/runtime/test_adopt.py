"""Files made elsewhere: what has to be said of them, what is proposed, what is refused, and that they then stream."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest

from edgeseq import runtime
from edgeseq.contract import Chunk, Initial
from edgeseq.errors import ContractError, EdgeseqError, UsageError, VerificationError
from edgeseq.runtime.adopting import NotDeclared
from edgeseq.runtime.golden import trace_of
from tests import handmade, strangers
from tests.strangers import frames, running_sum, write

Array = npt.NDArray[Any]
PAIRS = {"h": "hn", "c": "cn"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.onnx"


def refused(kind: type[EdgeseqError], path: str | Path, **said: Any) -> str:
    """What the refusal says, the path left out."""
    with pytest.raises(kind) as caught:
        runtime.adopt(path, **said)
    assert type(caught.value) is kind
    return str(caught.value).replace(f" at {path}", "")


def checks(model: runtime.Model) -> list[str]:
    return [check["name"] for check in (model.contract.verification or {})["checks"]]


# What streams, and gives what it gives as a whole.


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


@pytest.mark.parametrize("value", [5, [[[5.0, 5.0]]]])
def test_states_that_do_not_start_at_zero(path: Path, value: Any) -> None:
    running_sum(path)
    model = runtime.adopt(path, states={"total": "total_out"}, initial={"total": value})
    kinds = {Initial("fill", value=5.0).kind, "data"}
    assert model.contract.states[0].initial.kind in kinds
    np.testing.assert_array_equal(np.asarray(model.run(np.zeros((1, 2, 2), np.float32))), np.full((1, 2, 2), 5))


# What is not declared is proposed, and nothing is guessed.


def test_states_are_proposed_not_taken(path: Path) -> None:
    strangers.lstm(path)
    with pytest.raises(NotDeclared) as caught:
        runtime.adopt(path)
    assert caught.value.missing == {"states": PAIRS}
    assert str(caught.value) == (
        f"the file does not say how it is stepped at {path}: names, shapes and dtypes suggest the states h=hn, c=cn. "
        "Look at it, and say what is right: adopt(path, states={'h': 'hn', 'c': 'cn'})."
    )


def test_all_that_is_missing_is_said_at_once(path: Path) -> None:
    strangers.lstm(path, frames=5)
    with pytest.raises(NotDeclared) as caught:
        runtime.adopt(path)
    assert caught.value.missing == {"states": PAIRS, "axes": {"x": None}}
    with pytest.raises(NotDeclared) as caught:
        runtime.adopt(path, states=PAIRS, axes={"x": "batch,time,4"})
    assert caught.value.missing == {"axes": {"y": "1,time,3"}}


def test_the_rest_of_the_states_is_proposed(path: Path) -> None:
    strangers.lstm(path)
    with pytest.raises(NotDeclared) as caught:
        runtime.adopt(path, states={"h": "hn"})
    assert caught.value.missing == {"states": {"c": "cn"}}


def test_an_input_without_time_has_to_be_declared(path: Path) -> None:
    running_sum(
        path, "z = Add(y, speaker)", inputs=", float[batch,1,2] speaker, int64 sr", outputs=", float[batch,time,2] z"
    )
    with pytest.raises(NotDeclared) as caught:
        runtime.adopt(path, states={"total": "total_out"})
    assert caught.value.missing == {"constants": {"sr": None}, "axes": {"speaker": None}}


# What is declared wrongly is refused.


def test_swapped_pairs(path: Path) -> None:
    strangers.lstm(path)
    assert "y depends on how its frames are cut into calls: " in refused(
        VerificationError, path, states={"h": "cn", "c": "hn"}
    )


def test_swapped_pairs_that_calls_of_one_size_cannot_show(path: Path) -> None:
    strangers.lstm(path, frames=1)
    axes = {"x": "1,time,4", "y": "1,time,3"}
    model = runtime.adopt(path, states={"h": "cn", "c": "hn"}, axes=axes)
    assert checks(model) == ["pairs", "names", "chunks", "reset"]
    details = [check["detail"] for check in (model.contract.verification or {})["checks"]]
    assert details[1] == "taken as declared, though names suggest h=hn, c=cn"


def test_a_state_that_is_never_fed_back(path: Path) -> None:
    strangers.lstm(path)
    assert refused(VerificationError, path, states={"h": "hn"}, constants={"c": 0}).startswith(
        "y depends on how its frames are cut into calls: "
    )


def test_a_state_that_nothing_reads(path: Path) -> None:
    running_sum(
        path, "idle_out = Add(total, total)", inputs=", float[batch,1,2] idle", outputs=", float[batch,1,2] idle_out"
    )
    assert refused(VerificationError, path, states={"total": "total_out", "idle": "idle_out"}) == (
        "idle is no state of this file: nothing reads it: no output and no state depends on it. Check the pairs in "
        "states; an input that stays as it is belongs in constants."
    )


def test_a_state_that_never_moves(path: Path) -> None:
    body = "gain_out = Identity(gain)\n z = Mul(y, gain)"
    running_sum(
        path, body, inputs=", float[batch,1,2] gain", outputs=", float[batch,1,2] gain_out, float[batch,time,2] z"
    )
    assert "gain is no state of this file: gain_out always holds its initial value" in refused(
        VerificationError, path, states={"total": "total_out", "gain": "gain_out"}
    )


def test_a_cache_that_grows(path: Path) -> None:
    graph = """grow (float[batch,time,2] x, float[batch,past,2] past_key)
        => (float[batch,time,2] y, float[batch,total,2] present_key) {
        present_key = Concat<axis=1>(past_key, x)
        mean = ReduceMean<keepdims=1>(present_key, one)
        y = Add(x, mean)
    }"""
    write(path, graph, one=np.array([1]))
    said: dict[str, Any] = {"states": {"past_key": "present_key"}, "axes": {"past_key": "batch,1,2"}}
    assert refused(UsageError, path, **said) == (
        "present_key is not the next value of past_key: a call of 1 frame and 1 row changes its shape; a state has one "
        "size, and a cache that grows with every call is none (got [1, 2, 2], wanted [1, 1, 2])."
    )


def test_a_pair_that_does_not_fit(path: Path) -> None:
    running_sum(path, "n = Shape(x)", outputs=", int64[3] n")
    assert refused(UsageError, path, states={"total": "n"}) == (
        "total and n are not a state and its next value (got total float32[batch, 1, 2] and n int64[3])."
    )


@pytest.mark.parametrize(("overlap", "counts"), [(0, "0 for 2"), (1, "0 for 1"), (3, "2 for 1")])
def test_a_wrong_overlap(path: Path, overlap: int, counts: str) -> None:
    handmade.left_context().save_bare(path)
    text = refused(UsageError, path, overlap={"x": overlap}, axes={"x": "batch,time,2"})
    assert (
        "does not take a call of 1 frame" in text or "y has no fixed number of frames for each frame of a call" in text
    )


def test_a_graph_that_looks_ahead_within_a_call(path: Path) -> None:
    graph = """peek (float[batch,time,2] x) => (float[batch,time,2] y) {
        mean = ReduceMean<keepdims=1>(x, one)
        y = Sub(x, mean)
    }"""
    write(path, graph, one=np.array([1]))
    assert "y depends on how its frames are cut into calls" in refused(VerificationError, path)


def test_a_graph_that_mixes_its_rows(path: Path) -> None:
    running_sum(
        path,
        "mean = ReduceMean<keepdims=1>(y, zero)\nzero = Constant<value_ints=[0]>()\nz = Sub(y, mean)",
        outputs=", float[batch,time,2] z",
    )
    text = refused(VerificationError, path, states={"total": "total_out"})
    assert text.startswith("z depends on the other rows of the batch: another neighbour changes it.")
    assert text.endswith("Where the model itself mixes them, write 1 for batch in axes.")


def test_a_graph_that_draws_random_numbers(path: Path) -> None:
    running_sum(path, "noise = RandomNormalLike(x)\nz = Add(y, noise)", outputs=", float[batch,time,2] z")
    assert "z depends on how" in refused(VerificationError, path, states={"total": "total_out"})


def test_a_graph_of_one_row_that_says_batch(path: Path) -> None:
    graph = """one (float[n,t,2] x, float[1,1,2] s) => (float[n,t,2] y, float[1,1,2] s_out) {
        total = ReduceSum<keepdims=1>(x, axis)
        flat = Reshape(total, shape)
        s_out = Add(flat, s)
        y = Add(x, s)
    }"""
    write(path, graph, axis=np.array([1]), shape=np.array([1, 1, 2]))
    text = refused(UsageError, path, states={"s": "s_out"}, axes={"x": "batch,time,2"}, chunk=(1, 1))
    assert text.startswith("the file does not take two rows at once: ")


UNFIT: dict[str, tuple[dict[str, Any], str]] = {
    "no such input": ({"states": {"g": "hn"}}, "states names what is not an input of this file, or has another role"),
    "no such output": ({"states": {"h": "gn"}}, "states names what is not an output of this file"),
    "a state and a constant": ({"states": PAIRS, "constants": {"h": 0}}, "constants names what is not an input"),
    "overlap of a state": ({"states": PAIRS, "overlap": {"h": 1}}, "overlap names what is not an input"),
    "one output twice": ({"states": {"h": "hn", "c": "hn"}}, "two states have one output"),
    "a constant of text": ({"states": PAIRS, "constants": {"x": "one"}}, "constant x is not a number"),
    "an overlap of text": ({"states": PAIRS, "overlap": {"x": "64"}}, "overlap of x must be a whole number from 0"),
    "axes of another rank": ({"states": PAIRS, "axes": {"x": "batch,time"}}, "bad axes of x"),
    "axes of another size": ({"states": PAIRS, "axes": {"x": "batch,time,5"}}, "bad axes of x"),
    "axes that mean nothing": ({"states": PAIRS, "axes": {"x": "batch,time+1,4"}}, "bad axes of x"),
    "time twice": ({"states": PAIRS, "axes": {"x": "time,time,4"}}, "bad axes of x"),
    "no frames": ({"states": PAIRS, "constants": {"x": 0}}, "no input of this file holds frames"),
    "no chunk": ({"states": PAIRS, "chunk": 0}, "chunk must be a whole number from 1"),
    "a chunk backwards": ({"states": PAIRS, "chunk": (4, 2)}, "the most frames of a call are fewer than the fewest"),
    "states in a list": ({"states": ["h"]}, "states is not a dict"),
    "initial of no state": ({"states": PAIRS, "initial": {"x": 1}}, "initial names what is not a state"),
    "initial of text": ({"states": PAIRS, "initial": {"h": "one"}}, "bad initial value of h"),
    "a period of years": ({"states": PAIRS, "frame_period": 1e12}, "bad frame_period"),
    "no such recipe": ({"recipe": "wine"}, "unknown recipe (got 'wine', wanted silero-vad)"),
    "another file's recipe": ({"recipe": "silero-vad"}, "the recipe silero-vad is for another file"),
}


@pytest.fixture(scope="module")
def lstm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("strangers") / "m.onnx"
    strangers.lstm(path)
    return path


@pytest.mark.parametrize("case", UNFIT)
def test_what_does_not_fit_is_said(lstm: Path, case: str) -> None:
    said, message = UNFIT[case]
    assert refused(UsageError, lstm, **said).startswith(message)


def test_an_initial_value_of_another_shape(lstm: Path) -> None:
    text = refused(UsageError, lstm, states=PAIRS, initial={"h": [1.0, 2.0]})
    assert text == "bad initial value of h (got shape [2], wanted what fills [2, batch, 8])."


# What is written.


def test_a_copy_with_a_contract(path: Path, tmp_path: Path) -> None:
    whole, x = strangers.lstm(path), frames(1, 9, 4)
    before, out = path.read_bytes(), tmp_path / "out" / "adopted.onnx"
    out.parent.mkdir()
    model = runtime.adopt(path, states=PAIRS, out=out)
    assert path.read_bytes() == before
    assert sorted(item.name for item in out.parent.iterdir()) == ["adopted.golden.npz", "adopted.onnx"]
    assert model.path == str(out)
    loaded = runtime.load(out)
    assert loaded.contract == model.contract
    np.testing.assert_allclose(np.asarray(loaded.run(x)), whole(x), atol=1e-6)
    assert runtime.replay(out).passed
    onnx.checker.check_model(str(out))
    again = out.read_bytes()
    runtime.adopt(path, states=PAIRS, out=out)
    assert out.read_bytes() == again


def test_a_trace_notices_other_weights(path: Path, tmp_path: Path) -> None:
    strangers.lstm(path)
    runtime.adopt(path, states=PAIRS, out=tmp_path / "out.onnx")
    graph = onnx.load(str(tmp_path / "out.onnx"))
    for weight in graph.graph.initializer:
        if weight.name == "head.bias":
            weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight) + 0.01, weight.name))
    onnx.save(graph, str(tmp_path / "out.onnx"))
    with pytest.raises(ContractError, match="was changed after verification"):
        runtime.load(tmp_path / "out.onnx")
    assert not runtime.replay(tmp_path / "out.onnx", allow_unverified=True).passed


def test_wide_outputs_make_a_short_trace(path: Path) -> None:
    graph = "wide (float[batch,time,2] x) => (float[batch,time,9000] y) { y = MatMul(x, w) }"
    write(path, graph, w=frames(2, 9000))
    runtime.adopt(path, out=(out := path.with_name("out.onnx")))
    assert trace_of(out).stat().st_size <= 256 * 1024
    assert runtime.replay(out).passed


def test_nothing_is_written_where_a_check_fails(path: Path, tmp_path: Path) -> None:
    strangers.lstm(path)
    with pytest.raises(VerificationError):
        runtime.adopt(path, states={"h": "cn", "c": "hn"}, out=tmp_path / "out.onnx")
    assert [item.name for item in tmp_path.iterdir()] == ["m.onnx"]


OUT: dict[str, tuple[str, str]] = {
    "itself": ("m.onnx", "out is the file itself"),
    "another kind": ("out.bin", "out must end in .onnx (got out.bin)"),
    "no folder": ("none/out.onnx", "no such folder"),
}


@pytest.mark.parametrize("case", OUT)
def test_where_no_copy_goes(path: Path, case: str) -> None:
    strangers.lstm(path)
    name, message = OUT[case]
    assert refused(UsageError, path, states=PAIRS, out=path.parent / name).startswith(message)


def test_weights_beside_the_file(path: Path, tmp_path: Path) -> None:
    strangers.lstm(path)
    model = onnx.load(str(path))
    onnx.save(model, str(path), save_as_external_data=True, location="m.data", size_threshold=0)
    other = tmp_path / "other"
    other.mkdir()
    assert "its weights lie beside it, in m.data" in refused(UsageError, path, states=PAIRS, out=other / "out.onnx")
    runtime.adopt(path, states=PAIRS, out=tmp_path / "out.onnx")
    assert runtime.replay(tmp_path / "out.onnx").passed


def test_a_file_with_a_contract_is_loaded_not_adopted(path: Path) -> None:
    handmade.gru().save(path)
    assert refused(UsageError, path) == "the file has a contract already. Load it with runtime.load(path)."


def test_a_damaged_file(path: Path) -> None:
    path.write_bytes(b"\x08\x01")
    with pytest.raises(EdgeseqError, match="cannot load the model"):
        runtime.adopt(path)


def test_a_sidecar_that_is_there_is_renewed(path: Path) -> None:
    strangers.lstm(path)
    out = path.with_name("out.onnx")
    shutil.copy(path, out.with_name("out.contract.json"))
    runtime.adopt(path, states=PAIRS, out=out)
    runtime.load(out)
