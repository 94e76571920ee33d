"""The input-spec grammar: what it reads, what it gives back, and what it says about mistakes."""

from __future__ import annotations

from typing import Any

import pytest

from edgeseq.errors import UsageError
from edgeseq.specs import InputSpec, nest_inputs, parse_input, parse_spec


@pytest.mark.parametrize(
    ("text", "dtype", "shape"),
    [
        ("float32[batch,time,64]", "float32", ("batch", "time", 64)),
        ("int64[batch,time]", "int64", ("batch", "time")),
        ("float16[time,batch,freq,2]", "float16", ("time", "batch", "freq", 2)),
        ("  float64 [ batch , 3,time ] ", "float64", ("batch", 3, "time")),
        ("bool[]", "bool", ()),
        ("uint8[n,n]", "uint8", ("n", "n")),
        ("float32[1,time,3]", "float32", (1, "time", 3)),
        ("float32[batch, 4 * time, 80]", "float32", ("batch", "4*time", 80)),
        ("float32[1*time]", "float32", ("time",)),
    ],
)
def test_reads_a_spec(text: str, dtype: str, shape: tuple[int | str, ...]) -> None:
    spec = parse_spec(text)
    assert spec == InputSpec(dtype, shape)
    assert parse_spec(str(spec)) == spec


def test_text_comes_back_without_spaces() -> None:
    assert str(parse_spec(" float32 [ batch, time, 64 ]")) == "float32[batch,time,64]"


def test_time_and_batch_axes() -> None:
    spec = parse_spec("float32[batch,64,time]")
    assert (spec.batch_axis, spec.time_axis) == (0, 2)
    conditioning = parse_spec("float32[64]")
    assert (conditioning.batch_axis, conditioning.time_axis) == (None, None)


def test_a_multiple_of_time() -> None:
    spec = parse_spec("float32[batch,8,4*time,s]")
    assert (spec.time_axis, spec.ratio) == (2, 4)
    assert sorted(spec.words) == ["batch", "s", "time"]
    assert spec.sizes({"batch": 3, "time": 5, "s": 7}) == (3, 8, 20, 7)
    assert (parse_spec("float32[time]").ratio, parse_spec("float32[8]").ratio) == (1, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("float32[batch,time,64]", "float32, batch x time x 64, frames along axis 1"),
        (
            "float32[batch,80,4*time]",
            "float32, batch x 80 x 4*time, frames along axis 2, 4 of them for each of time",
        ),
        ("int64[time]", "int64, time, frames along axis 0, no batch axis: one stream at a time"),
        ("float32[2,batch,8]", "float32, 2 x batch x 8, no time axis: given once per stream"),
        ("bool[]", "bool, a single value, no time axis: given once per stream"),
    ],
)
def test_a_spec_is_told_in_words(text: str, words: str) -> None:
    assert parse_spec(text).described() == words


@pytest.mark.parametrize("name", ["x", "hidden_state", "state.0", "batch.audio.1"])
def test_reads_an_input(name: str) -> None:
    assert parse_input(f" {name} = float32[batch,time]") == (name, InputSpec("float32", ("batch", "time")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "float32",
            "cannot read an input spec (got 'float32', wanted a dtype and axes in brackets). "
            "Example: float32[batch,time,64].",
        ),
        (
            "float[batch]",
            "unknown dtype in 'float[batch]' (got 'float', wanted one of float16, float32, float64, int8, int16, "
            "int32, int64, uint8, bool). Example: float32[batch,time,64].",
        ),
        (
            "float32[batch,0]",
            "bad axis in 'float32[batch,0]' (got '0', wanted a size from 1, a word, or a multiple of time such as "
            "4*time). Example: float32[batch,time,64].",
        ),
        (
            "float32[4*batch,time]",
            "bad axis in 'float32[4*batch,time]' (got '4*batch', wanted a size from 1, a word, or a multiple of time "
            "such as 4*time). Example: float32[batch,time,64].",
        ),
        (
            "float32[batch,capacity]",
            "bad axis in 'float32[batch,capacity]' (got 'capacity', wanted another word: this one is the room of a "
            "cache). Example: float32[batch,time,64].",
        ),
        (
            "bfloat16[batch,time]",
            "unknown dtype in 'bfloat16[batch,time]' (got 'bfloat16', wanted one of float16, float32, float64, int8, "
            "int16, int32, int64, uint8, bool). Write float32: a bfloat16 model is computed in float32.",
        ),
        (
            "float32[time,time]",
            "axis 'time' stands twice in 'float32[time,time]' (got 2, wanted once). Example: float32[batch,time,64].",
        ),
        (
            "float32[time,4*time]",
            "axis 'time' stands twice in 'float32[time,4*time]' (got 2, wanted once). Example: float32[batch,time,64].",
        ),
    ],
)
def test_says_what_is_wrong_with_a_spec(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_spec(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "text",
    ["", "[]", "float32[", "float32]", "float32[a]b", "float32[,]", "float32[a,]", "float32[-1]", "float32[1.5]",
     "float32[time*4]", "float32[0*time]", "float32[4*]", "float32[*time]",
     "float32[99999999999]", "float32[a b]", "float32[²]", "f[1][2]", None, 3],
)  # fmt: skip
def test_refuses_other_texts(text: Any) -> None:
    with pytest.raises(UsageError, match="Example: "):
        parse_spec(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "float32[batch]",
            "cannot read an input (got 'float32[batch]', wanted NAME=DTYPE[AXES]). Example: x=float32[batch,time,64].",
        ),
        (
            "0x=float32[batch]",
            "bad input name in '0x=float32[batch]' (got '0x', wanted an argument's name such as x or state.0). "
            "Example: x=float32[batch,time,64].",
        ),
    ],
)
def test_says_what_is_wrong_with_an_input(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_input(text)
    assert str(caught.value) == message


def nested(*names: str) -> dict[str, Any]:
    spec = InputSpec("float32", ("batch",))
    return nest_inputs((name, spec) for name in names)


def test_dotted_names_become_tuples_and_dicts() -> None:
    text = "float32[batch]"
    assert nested("x") == {"x": text}
    assert nested("x", "state.1", "state.0") == {"x": text, "state": (text, text)}
    assert nested("state.0.h", "state.0.c") == {"state": ({"h": text, "c": text},)}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("x", "x"), "input 'x' stands twice (wanted every input once)."),
        (("s.0", "s.2"), "elements of input 's' have gaps (got 0, 2, wanted 0, 1, each once)."),
        (("s.0", "s.h"), "elements of input 's' have gaps (got 0, h, wanted 0, 1, each once)."),
        (("s", "s.0"), "input 's.0' lies inside another input (got s.0, wanted one or the other)."),
    ],
)
def test_says_what_is_wrong_with_the_names(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        nested(*names)
    assert str(caught.value) == message
