"""What is said wrongly of a file made elsewhere, and what such a file must not do, is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from edgeseq import runtime
from edgeseq.errors import ContractError, EdgeseqError, UsageError, VerificationError
from tests import handmade, strangers
from tests.strangers import running_sum, write

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


def test_swapped_pairs(path: Path) -> None:
    strangers.lstm(path)
    assert "y depends on how its frames are cut into calls: " in refused(
        VerificationError, path, states={"h": "cn", "c": "hn"}
    )


def test_swapped_pairs_that_calls_of_one_size_cannot_show(path: Path) -> None:
    strangers.lstm(path, frames=1)
    axes = {"x": "1,time,4", "y": "1,time,3"}
    model = runtime.adopt(path, states={"h": "cn", "c": "hn"}, axes=axes)
    assert checks(model) == ["pairs", "chunks", "reset"]
    assert (model.contract.verification or {})["doubts"] == [
        "h=cn was declared, though names suggest h=hn",
        "c=hn was declared, though names suggest c=cn",
    ]


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


def test_states_that_no_file_justifies(path: Path) -> None:
    graph = """huge (float[batch,time,2] x, float[batch,1000000000,2] s) => (float[batch,time,2] y,
        float[batch,1000000000,2] s_out) { y = Identity(x)
        s_out = Identity(s) }"""
    write(path, graph)
    text = refused(ContractError, path, states={"s": "s_out"})
    assert text.startswith("the contract asks for more than its file justifies")


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
    "no such recipe": ({"recipe": "wine"}, "unknown recipe (got 'wine', wanted silero-vad, silero-vad-8k)"),
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
