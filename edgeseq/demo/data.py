"""The text: Python's own reference manual, which every CPython carries for ``help()``.

The last tenth is held out. Paragraphs that come up again are dropped, since topics quote each other: a tenth of the
validation text would otherwise be in the training text word for word.
"""

from __future__ import annotations

import hashlib
import importlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseq.errors import EdgeseqError

SOURCE = "pydoc_data.topics"
#: Printable ASCII; a token is a character's place in it.
CHARACTERS = "".join(map(chr, range(32, 127)))
#: Less text than this is not the reference manual.
LEAST_CHARACTERS = 100_000

Tokens = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Corpus:
    """Tokens to train on, tokens held out, and the digest of the text they come from."""

    train: Tokens
    validation: Tokens
    sha256: str


def corpus() -> Corpus:
    """The reference manual, split; EdgeseqError where this Python does not carry it."""
    text = " ".join(paragraphs(topics()))
    if len(text) < LEAST_CHARACTERS:
        raise _missing(f"{SOURCE} holds {len(text):,} characters only")
    tokens = encode(text)
    cut = len(tokens) * 9 // 10
    return Corpus(tokens[:cut], tokens[cut:], hashlib.sha256(text.encode()).hexdigest())


def topics() -> Mapping[str, str]:
    """The manual's sections by name; EdgeseqError where this Python keeps them elsewhere or not at all."""
    try:
        found: Any = getattr(importlib.import_module(SOURCE), "topics", None)
    except ImportError as error:
        raise _missing(f"{error}") from None
    if not isinstance(found, Mapping) or not all(isinstance(text, str) for text in found.values()):
        raise _missing(f"{SOURCE}.topics is no mapping from names to text")
    return found


def paragraphs(sections: Mapping[str, str]) -> Iterator[str]:
    """Every paragraph once, in the order of the sections' names, on one line and in CHARACTERS."""
    seen = set()
    for name in sorted(sections):
        for paragraph in re.split(r"\n\s*\n", sections[name]):
            line = " ".join(re.sub(r"[^!-~]", " ", paragraph).split())
            if line and line not in seen:
                seen.add(line)
                yield line


def encode(text: str) -> Tokens:
    """One token per character; what is not in CHARACTERS is taken for a space."""
    return np.array([max(0, CHARACTERS.find(character)) for character in text], dtype=np.int64)


def decode(tokens: Tokens) -> str:
    """The text of a row of tokens."""
    return "".join(CHARACTERS[token] for token in tokens)


def _missing(why: str) -> EdgeseqError:
    return EdgeseqError(
        "there is no text to train on",
        why=why,
        wanted=f"the topics of help() in {SOURCE}",
        do="run the demo with a CPython that has its whole standard library",
    )
