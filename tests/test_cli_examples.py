"""``--example``: what a function of the user's may return, the specs read off it, and what does not fit them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgeseq.cli.examples import check_samples, derived, fitted, read_examples
from edgeseq.errors import EdgeseqError, UsageError
from edgeseq.specs import InputSpec, parse_spec


class Net(nn.Module):
    def forward(self, x: Tensor, mel: Tensor, state: tuple[Tensor, Tensor] | None = None) -> Tensor:
        return x


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("edgeseq_model_data", None)


def read(body: str) -> list[dict[str, Any]]:
    Path("data.py").write_text(f"import numpy as np\nimport torch\n\n\ndef real():\n    return {body}\n")
    return read_examples("data.py:real", Net())


def shapes(sample: dict[str, Any]) -> dict[str, str]:
    return {name: f"{array.dtype}{list(array.shape)}" for name, array in sample.items()}


@pytest.mark.parametrize(
    "body",
    [
        "{'x': torch.ones(2, 5, 3), 'mel': torch.ones(2, 20, 8)}",
        "torch.ones(2, 5, 3), torch.ones(2, 20, 8)",
        "[{'x': torch.ones(2, 5, 3), 'mel': torch.ones(2, 20, 8)}]",
        "[(torch.ones(2, 5, 3), np.ones((2, 20, 8)))]",
        "{'x': np.ones((2, 5, 3), np.float64), 'mel': torch.ones(2, 20, 8, dtype=torch.bfloat16)}",
    ],
)
def test_dicts_tuples_and_lists_of_them(body: str) -> None:
    (sample,) = read(body)
    assert shapes(sample) == {"x": "float32[2, 5, 3]", "mel": "float32[2, 20, 8]"}


def test_values_come_as_they_are() -> None:
    (sample,) = read("{'x': torch.arange(6).reshape(2, 3).requires_grad_(False), 'mel': np.array([[True, False]])}")
    assert shapes(sample) == {"x": "int64[2, 3]", "mel": "bool[1, 2]"}
    np.testing.assert_array_equal(sample["x"], [[0, 1, 2], [3, 4, 5]])


def test_nested_arguments_get_dotted_names() -> None:
    (sample,) = read("{'x': torch.ones(1, 2), 'mel': torch.ones(1, 2), 'state': (torch.ones(1, 4), torch.ones(1, 4))}")
    assert list(sample) == ["x", "mel", "state.0", "state.1"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "3",
            "data.py:real returned something else (got int, wanted a dict from input names to tensors or arrays, a "
            "tuple in forward's order, or a list of those).",
        ),
        ("[]", "data.py:real returned no sample (got an empty list, "),
        ("{'y': 1}", "data.py:real names an input that forward does not take (got y, wanted x, mel, state)."),
        ("(1, 2, 3, 4)", "data.py:real returned more than forward takes (got 4 values, wanted x, mel, state)."),
        ("{'x': 3}", "data.py:real returned no tensor for x (got int, wanted a tensor or a numpy array)."),
        (
            "{'x': np.array(['a'])}",
            "data.py:real returned no tensor for x (got <U1, wanted a tensor or a numpy array).",
        ),
        ("{'state': (torch.ones(1), None)}", "data.py:real returned no tensor for state.1 (got NoneType, "),
    ],
)
def test_says_what_is_wrong_with_what_was_returned(body: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(body)
    assert str(caught.value).startswith(message)


def test_what_the_function_raises_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(EdgeseqError) as caught:
        read("torch.ones(2) @ torch.ones(3)")
    assert str(caught.value).startswith("calling data.py:real raised RuntimeError: ")
    assert 'data.py", line 6, in real' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("data.py", "cannot read an example (got 'data.py', wanted file.py:function). Example: data.py:example."),
        ("data.py:fake", "no 'fake' in data.py (wanted one of real)."),
        ("data.py:np", "data.py:np is no function (got module, "),
    ],
)
def test_says_what_is_wrong_with_the_name(source: str, message: str) -> None:
    read("{'x': torch.ones(2, 3)}")
    with pytest.raises(UsageError) as caught:
        read_examples(source, Net())
    assert str(caught.value).startswith(message)


# -- specs -------------------------------------------------------------------------------------------------------------


def sample(**sizes: tuple[int, ...]) -> dict[str, Any]:
    return {name: np.zeros(shape, np.float32) for name, shape in sizes.items()}


def specs(**texts: str) -> dict[str, InputSpec]:
    return {name: parse_spec(text) for name, text in texts.items()}


def test_specs_are_read_off_where_none_is_given() -> None:
    samples = [sample(x=(2, 5, 3), mel=(2, 20, 8)), sample(x=(1, 6, 3), e=())]
    found = derived(samples, specs(mel="float32[batch,4*time,8]"))
    assert {name: str(spec) for name, spec in found.items()} == {"x": "float32[batch,time,3]", "e": "float32[]"}


def test_one_axis_is_not_guessed() -> None:
    with pytest.raises(UsageError) as caught:
        derived([sample(x=(16,))], {})
    assert str(caught.value) == (
        "cannot tell what the only axis of x is (got float32[16]). Say it with --input 'x=float32[batch]', [time] or "
        "[16]."
    )


def complaint(samples: list[dict[str, Any]], known: dict[str, InputSpec]) -> str:
    with pytest.raises(UsageError) as caught:
        check_samples(samples, known)
    return str(caught.value)


def test_samples_that_fit() -> None:
    known = specs(x="float32[batch,time,3]", mel="float32[batch,4*time,8]", m="float32[batch,words]")
    check_samples([sample(x=(2, 5, 3), mel=(2, 20, 8), m=(2, 9)), sample(x=(1, 7, 3)), sample(m=(4, 3))], known)


@pytest.mark.parametrize(
    ("given", "text", "message"),
    [
        ((2, 5), "float32[batch,time,3]", "got float32[2,5], wanted float32[batch,time,3]"),
        ((2, 5, 4), "float32[batch,time,3]", "got float32[2,5,4], wanted float32[batch,time,3]"),
        ((2, 5, 3), "int64[batch,time,3]", "got float32[2,5,3], wanted int64[batch,time,3]"),
        ((2, 0, 3), "float32[batch,time,3]", "got float32[2,0,3], wanted float32[batch,time,3]"),
    ],
)
def test_a_sample_of_another_kind(given: tuple[int, ...], text: str, message: str) -> None:
    assert complaint([sample(x=given)], specs(x=text)) == (
        f"x of the example does not fit its input spec ({message}). Change the example, or say what x is with --input."
    )


def test_the_sample_is_named_where_there_are_several() -> None:
    known = specs(x="float32[batch,time,3]")
    assert complaint([sample(x=(2, 5, 3)), sample(x=(2, 5, 4))], known).startswith("x of sample 1 does not fit ")


def test_two_rates_are_noticed_and_the_spec_is_written_out() -> None:
    known = specs(x="float32[batch,time,3]", mel="float32[batch,time,8]")
    assert complaint([sample(x=(2, 5, 3), mel=(2, 20, 8))], known) == (
        "time has two sizes in the example (got 5 in x, 20 in mel). If they are the same stretch of time, say --input "
        "'mel=float32[batch,4*time,8]'."
    )
    assert complaint([sample(x=(2, 5, 3), mel=(2, 21, 8))], known) == (
        "time has two sizes in the example (got 5 in x, 21 in mel). Say what the axes of mel are with --input."
    )
    known = specs(x="float32[batch,time,3]", mel="float32[batch,4*time,8]")
    assert complaint([sample(x=(2, 5, 3), mel=(2, 21, 8))], known) == (
        "time has two sizes in the example (got 5 in x, 21/4 in mel). Say what the axes of mel are with --input."
    )


def test_every_word_has_one_size() -> None:
    known = specs(src="float32[batch,words,3]", mask="float32[batch,words]")
    assert complaint([sample(src=(2, 5, 3), mask=(2, 6))], known) == (
        "words has two sizes in the example (got 5 in src, 6 in mask). Say what the axes of mask are with --input."
    )


def test_floats_take_the_width_of_their_spec() -> None:
    known = specs(x="float64[batch,time]", mel="float32[batch,time]")
    (found,) = fitted([sample(x=(1, 2), mel=(1, 2))], known)
    assert shapes(found) == {"x": "float64[1, 2]", "mel": "float32[1, 2]"}


def test_tensors_on_the_way_are_not_changed() -> None:
    value = torch.ones(2, 3, requires_grad=True)
    Path("data.py").write_text("value = None\n\n\ndef real():\n    return {'x': value}\n")
    with pytest.raises(UsageError):
        read_examples("data.py:real", Net())
    sys.modules["edgeseq_model_data"].value = value  # type: ignore[attr-defined]
    (found,) = read_examples("data.py:real", Net())
    assert value.requires_grad
    assert shapes(found) == {"x": "float32[2, 3]"}
