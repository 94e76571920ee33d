"""What is open in a file made elsewhere is proposed, from names, shapes and dtypes, and nothing is guessed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy.typing as npt
import pytest

from edgeseq import runtime
from edgeseq.errors import NotDeclared
from edgeseq.runtime.adopting.pairs import propose
from edgeseq.runtime.adopting.signature import Signature, Value
from tests import strangers
from tests.strangers import running_sum

Array = npt.NDArray[Any]
PAIRS = {"h": "hn", "c": "cn"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.onnx"


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


_X: tuple[Any, ...] = ("batch", "time", 4)
_S: tuple[Any, ...] = (1, "batch", 8)
_PAST = {"past_k.0": "present_k.0", "past_v.0": "present_v.0"}

NAMES: dict[str, tuple[list[str], list[str], dict[str, str]]] = {
    "a letter": (["h", "c"], ["hn", "cn"], {"h": "hn", "c": "cn"}),
    "numbered": (["h0", "c0"], ["h_n", "c_n"], {"h0": "h_n", "c0": "c_n"}),
    "a capital": (["state"], ["stateN"], {"state": "stateN"}),
    "past and present": (["past_k.0", "past_v.0"], ["present_v.0", "present_k.0"], _PAST),
    "next": (["enc.1.history"], ["enc.1.history.next"], {"enc.1.history": "enc.1.history.next"}),
    "in and out": (["cache_in"], ["cache_out"], {"cache_in": "cache_out"}),
    "new in front": (["cached_key_3"], ["new_cached_key_3"], {"cached_key_3": "new_cached_key_3"}),
    "camel case": (["hiddenIn"], ["hiddenOut"], {"hiddenIn": "hiddenOut"}),
    "out in front": (["a0", "a1"], ["out_a0", "out_a1"], {"a0": "out_a0", "a1": "out_a1"}),
    "by shape alone": (["12"], ["87"], {"12": "87"}),
    "no choice by shape": (["12", "13"], ["87", "88"], {}),
    "two that fit one": (["h", "h_in"], ["h_out"], {}),
}  # fmt: skip


@pytest.mark.parametrize("case", NAMES)
def test_names_that_go_together(case: str) -> None:
    inputs, outputs, wanted = NAMES[case]
    graph = Signature(
        (Value("x", "float32", _X), *(Value(name, "float32", _S) for name in inputs)),
        (Value("y", "float32", _X), *(Value(name, "float32", _S) for name in outputs)),
    )
    assert propose(graph) == wanted


@pytest.mark.parametrize(
    "other", [Value("hn", "float64", _S), Value("hn", "float32", (2, "batch", 8)), Value("hn", "float32", (8,))]
)
def test_names_go_together_only_where_the_tensors_do(other: Value) -> None:
    graph = Signature((Value("x", "float32", _X), Value("h", "float32", _S)), (Value("y", "float32", _X), other))
    assert propose(graph) == {}
