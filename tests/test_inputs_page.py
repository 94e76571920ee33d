"""``docs/inputs.md`` is true: examples are read as it says, errors have its text, its grammar is the parser's."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor, nn

from edgeseq.cli import examples
from edgeseq.errors import EdgeseqError
from edgeseq.exporters.capture import capture
from edgeseq.specs import DTYPES, nest_inputs, parse_input, parse_spec

PAGE = (Path(__file__).parent.parent / "docs" / "inputs.md").read_text(encoding="utf-8")


class Model(nn.Module):
    """Takes frames and a vector of 8, as the page says."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        return x + self.linear(h)[:, None]  # type: ignore[no-any-return]


def mistakes() -> Iterator[Any]:
    """The call and the message of every error on the page."""
    for block in re.finditer(r"```errors\n(.*?)```", PAGE, re.DOTALL):
        for entry in block[1].strip().split("\n\n"):
            call, *message = entry.splitlines()
            yield pytest.param(call, " ".join(message), id=call)


def samples(text: str) -> list[dict[str, Any]]:
    """``x=float32[2,5,3], y=float32[2]`` as one sample of such shapes."""
    given = [parse_input(item) for item in re.findall(r"\w+=\w+\[[^]]*\]", text)]
    return [{name: np.zeros([int(size) for size in spec.shape], spec.dtype) for name, spec in given}]


def run(call: str) -> None:
    """Do what the call says with the parser, the example or the model of this page."""
    options, _, example = call.partition("--example of ")
    inputs = [parse_input(word) for word in shlex.split(options) if word != "--input"]
    nested = nest_inputs(inputs)
    if example:
        drawn = samples(example)
        specs = dict(inputs) | examples.derived(drawn, dict(inputs))
        examples.check_samples(drawn, specs)
    else:
        capture(Model().eval(), nested)


@pytest.mark.parametrize(("call", "message"), list(mistakes()))
def test_mistakes_are_answered_as_the_page_says(call: str, message: str) -> None:
    with pytest.raises(EdgeseqError) as caught:
        run(call)
    assert str(caught.value) == message


def rows() -> list[Any]:
    """The rows of the table of inputs."""
    found = re.findall(r"^\| `([^`]+)` \| (.+) \|$", PAGE, re.MULTILINE)
    return [pytest.param(*row, id=row[0]) for row in found if "=" in row[0]]


@pytest.mark.parametrize(("text", "words"), rows())
def test_examples_are_read_as_the_page_says(text: str, words: str) -> None:
    _, spec = parse_input(text)
    assert spec.described() == words


def test_the_page_holds_enough() -> None:
    assert len(rows()) >= 10
    assert len(list(mistakes())) >= 19


def test_every_error_of_the_parser_is_on_the_page() -> None:
    """Each text that begins an error in specs.py begins one on the page."""
    source = Path(parse_spec.__code__.co_filename).read_text(encoding="utf-8")
    begun = re.findall(r"(?:_wrong|UsageError)\(\s*f?\"([^\"{']+)", source)
    assert len(begun) >= 8
    messages = [str(entry.values[1]) for entry in mistakes()]
    for words in begun:
        assert any(words.strip() in message for message in messages), words


# -- the grammar -------------------------------------------------------------------------------------------------------


def grammar() -> str:
    """The EBNF as one regular expression, its rules put into each other."""
    block = re.search(r"```ebnf\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    rules: dict[str, str] = dict(re.findall(r"^(\w+)\s*= (.*?) ;", block[1], re.MULTILINE))
    rules |= {"digit": "[0-9]", "letter": "[A-Za-z_]"}

    def pattern(name: str) -> str:
        if name in ("digit", "letter"):
            return rules[name]
        text, out = rules[name], ""
        for token in re.findall(r'"[^"]*"|\w+|[\[\]{}()|,]', text):
            if token[0] == '"':
                out += re.escape(token[1:-1])
            elif token in ("[", "{", "("):
                out += "(?:"
            elif token in ("]", "}", ")"):
                out += {"]": ")?", "}": ")*", ")": ")"}[token]
            elif token == "|":
                out += "|"
            elif token != ",":
                out += f"(?:{pattern(token)})"
        return out

    return pattern("input")


def accepted(text: str) -> bool:
    try:
        parse_input(text)
    except EdgeseqError:
        return False
    return True


WORDS = ["x", "time", "batch", "_a1", "64", "4*time", "1*time", "12", "s2"]
OTHERS = ["", "4*batch", "time*4", "*time", "4*", "a-b", "3.5", "-1", "a b", "x.y", "4**time", "[", "é"]


@pytest.mark.parametrize("word", [*WORDS, *OTHERS])
def test_the_grammar_and_the_parser_agree_on_axes(word: str) -> None:
    text = f"x=float32[{word}]"
    assert bool(re.fullmatch(grammar(), text)) == accepted(text) == (word in WORDS or word == "")


@pytest.mark.parametrize("name", ["x", "state.0", "a.b.3.c", "_", "2x", ".x", "x.", "x..y", "x y", "", "x.0a"])
def test_the_grammar_and_the_parser_agree_on_names(name: str) -> None:
    text = f"{name}=float32[batch]"
    assert bool(re.fullmatch(grammar(), text)) == accepted(text)


@pytest.mark.parametrize("dtype", [*DTYPES, "float", "bfloat16", "uint16", ""])
def test_the_grammar_and_the_parser_agree_on_types(dtype: str) -> None:
    text = f"x={dtype}[batch,time,3]"
    assert bool(re.fullmatch(grammar(), text)) == accepted(text) == (dtype in DTYPES)
