"""What a tokenizer is, and the plainest one: a token for every byte of UTF-8."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from edgeseq.errors import UsageError


class Tokenizer(Protocol):
    """Anything with these two methods; the user's own.

    ``decode`` of more tokens begins with ``decode`` of fewer, an incomplete last character apart, which it writes as
    U+FFFD.
    """

    def encode(self, text: str, /) -> Sequence[int]:
        """The tokens of a text."""

    def decode(self, tokens: list[int], /) -> str:
        """The text of tokens."""


class Bytes:
    """256 tokens, the bytes of UTF-8."""

    def encode(self, text: str, /) -> list[int]:
        """The bytes of a text."""
        return list(text.encode("utf-8"))

    def decode(self, tokens: list[int], /) -> str:
        """The text of bytes, U+FFFD for those that are none; UsageError for a token that is no byte."""
        try:
            return bytes(tokens).decode("utf-8", "replace")
        except ValueError:
            got = next(token for token in tokens if not 0 <= token < 256)
            raise UsageError("a token that is no byte", got=got, wanted="0 to 255", do="give a tokenizer") from None
