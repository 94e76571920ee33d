"""Tokens into text as they come, no character given out by halves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from edgeseq.errors import UsageError
from edgeseq.io.text.stops import Stops
from edgeseq.io.text.tokenizers import Tokenizer

if TYPE_CHECKING:
    from edgeseq.io.text.generation import Generation

_UNKNOWN = "\ufffd"
#: An incomplete character of UTF-8 has at most three bytes, and no tokenizer writes more than one U+FFFD for a byte.
_INCOMPLETE = 3
#: Tokens that are decoded again with every new one, so that it reads as it does after them.
_CONTEXT = 8
_MOST = 4 * _CONTEXT


class Pieces:
    """Tokens in one by one, text out. A last character that is not complete yet is held back."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._tokens: list[int] = []
        self._given = ""  # the text of these tokens, as far as it was given out

    def push(self, token: int) -> str:
        """The text that is certain once ``token`` has come, which may be none.

        UsageError where the tokenizer then reads otherwise what was given out before.
        """
        self._tokens.append(token)
        text = self._decoded()
        certain = max(len(text) - _incomplete(text), len(self._given))
        piece = text[len(self._given) : certain]
        self._given = text[:certain]
        if certain == len(text) and len(self._tokens) > _MOST:
            self._tokens = self._tokens[-_CONTEXT:]
            self._given = self._tokenizer.decode(list(self._tokens))
        return piece

    def rest(self) -> str:
        """What is held back: no more tokens come."""
        return self._decoded()[len(self._given) :]

    def _decoded(self) -> str:
        text = self._tokenizer.decode(list(self._tokens))
        if not text.startswith(self._given):
            raise UsageError(
                "the tokenizer changed its mind about text that was given out",
                got=repr(text[: len(self._given)][-20:]),
                wanted=repr(self._given[-20:]),
                do="turn off what it cleans up after decoding",
            )
        return text


def text_stream(generation: Generation, tokenizer: Tokenizer, *, stop: Sequence[str] = ()) -> Iterator[str]:
    """The text of ``generation``, piece by piece as its tokens are computed; every piece has whole characters.

    ``stop``: texts that end it, whatever their tokens; they are not given out, nor is text held back that might begin
    one, until it does not. Then ``generation.stopped_by`` is ``stop``.
    """
    if not callable(getattr(tokenizer, "decode", None)):
        wanted = "an object with encode(str) -> list[int] and decode(list[int]) -> str"
        raise UsageError("no tokenizer", got=type(tokenizer).__name__, wanted=wanted)
    if isinstance(stop, str) or not all(isinstance(text, str) and text for text in stop):
        raise UsageError("stop must be a list of texts", got=repr(stop))
    return _texts(generation, tokenizer, Stops([tuple(text) for text in stop]))


def _texts(generation: Generation, tokenizer: Tokenizer, stops: Stops[str]) -> Iterator[str]:
    for piece in _pieces(generation, Pieces(tokenizer)):
        text = ""
        for character in piece:
            text += "".join(stops.push(character))
            if stops.matched:
                generation.end("stop")
                break
        if text:
            yield text
        if stops.matched:
            return
    if rest := "".join(stops.rest()):
        yield rest


def _pieces(generation: Generation, pieces: Pieces) -> Iterator[str]:
    for token in generation:
        yield pieces.push(token)
    yield pieces.rest()


def _incomplete(text: str) -> int:
    """How many characters at the end of ``text`` may stand for one that is not complete."""
    return min(len(text) - len(text.rstrip(_UNKNOWN)), _INCOMPLETE)
