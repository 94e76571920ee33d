"""JSON that every reader takes for the same, and that can be printed."""

from __future__ import annotations

import inspect
import sys

import pytest

from edgeseq.contract import Contract
from edgeseq.errors import ContractError, UsageError
from edgeseq.strict_json import DEEPEST, LONGEST, read_json

REFUSED = {
    '{"a": 1, "b": {}, "a": 1}': "the name 'a' stands twice in one object",
    "[NaN]": "NaN is not JSON",
    "-Infinity": "-Infinity is not JSON",
    "[1e999]": "the number 1e999 is too large",
    "1" * 5000: "limit",
    '"\\u001b[2J"': "the text '\\x1b[2J' holds a control character",
    '{"a\\u0000": 1}': "the text 'a\\x00' holds a control character",
    '"\\u202egnp"': "the text '\\u202egnp' holds a control character",
    '"\\ud800"': "the text '\\ud800' holds a control character",
    "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1): f"it is nested more than {DEEPEST} deep",
    '{"a":' * 400 + "1" + "}" * 400: f"it is nested more than {DEEPEST} deep",
    "[" * 100_000 + "]" * 100_000: "it is nested ",
    " " * (LONGEST + 1): f"it is longer than {LONGEST} characters",
    "\ufeff{}": "BOM",
    "{} {}": "Extra data",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: ascii(text[:12]))
def test_refused(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_json(text)
    assert REFUSED[text] in str(caught.value)
    with pytest.raises(ContractError, match=r"^cannot read the contract at m\.onnx: it is not JSON: "):
        Contract.from_json(text, where="m.onnx")


def test_bytes_are_utf_8() -> None:
    assert read_json('{"µ": [1, 2.5, null]}'.encode()) == {"µ": [1, 2.5, None]}
    for data in ('{"a": 1}'.encode("utf-16"), b'"\xff"'):
        with pytest.raises(ValueError, match="codec"):
            read_json(data)


def test_the_deepest_that_is_allowed() -> None:
    text = "[" * DEEPEST + "]" * DEEPEST
    assert read_json(text) == read_json(f" {text} ")


def test_depth_is_found_near_the_end_of_pythons_stack() -> None:
    """Reading must not run out of stack where its caller has used most of it."""

    def deep(frames: int) -> object:
        return deep(frames - 1) if frames else read_json("[" * DEEPEST + "]" * DEEPEST)

    assert deep(sys.getrecursionlimit() - len(inspect.stack(0)) - 100) is not None


def test_an_error_sends_a_terminal_nothing_but_text() -> None:
    error = UsageError("odd \x1b[2J name \u202e", got="\x00", wanted="a\nb", why="\ud800 é\u2028")
    assert str(error) == r"odd \x1b[2J name \u202e: \ud800 é\u2028 (got \x00, wanted a" + "\nb)."
    assert error.got == "\x00"
