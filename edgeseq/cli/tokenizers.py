"""The tokenizer that ``--tokenizer`` names: the user's own, or ``bytes``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeseq.cli.model_source import attribute
from edgeseq.cli.users_code import running
from edgeseq.errors import UsageError

if TYPE_CHECKING:
    from edgeseq.io.text import Tokenizer


def load_tokenizer(source: str) -> Tokenizer:
    """The tokenizer behind ``bytes``, ``package.module:name`` or ``file.py:name``.

    The name is a factory without arguments, or the tokenizer itself. Where the user's code raises, its traceback is
    printed and an EdgeseqError names the call.
    """
    from edgeseq.io.text import Bytes

    if source == "bytes":
        return Bytes()
    made = attribute(source, "a tokenizer", "bytes, or tokenizer.py:make")
    if isinstance(made, type) or not _is_tokenizer(made):
        if not callable(made):
            raise _none(source, made)
        with running(f"calling {source}"):
            made = made()
    if not _is_tokenizer(made):
        raise _none(source, made)
    return _Users(source, made)


class _Users:
    """A tokenizer whose errors are the user's."""

    def __init__(self, source: str, made: Any) -> None:
        self._source, self._made = source, made

    def encode(self, text: str, /) -> Any:
        with running(f"encode of {self._source}"):
            return self._made.encode(text)

    def decode(self, tokens: list[int], /) -> str:
        with running(f"decode of {self._source}"):
            text = self._made.decode(tokens)
        if not isinstance(text, str):
            raise UsageError(f"decode of {self._source} gives no text", got=type(text).__name__, wanted="str")
        return text


def _is_tokenizer(made: Any) -> bool:
    return callable(getattr(made, "encode", None)) and callable(getattr(made, "decode", None))


def _none(source: str, made: Any) -> UsageError:
    return UsageError(
        f"{source} makes no tokenizer",
        got=type(made).__name__,
        wanted="an object with encode(str) -> list[int] and decode(list[int]) -> str, or a factory of one",
    )
