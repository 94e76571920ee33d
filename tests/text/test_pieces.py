"""Text as it comes: whole characters only, and stops that are texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, cast

import pytest

from edgeseq.errors import UsageError
from edgeseq.io.text import Bytes, Generation, Pieces, text_stream

TEXT = "naïve 😀 — 日本語 ok"


class Given(Iterator[int]):
    """A generation of tokens that are known."""

    def __init__(self, tokens: Iterable[int]) -> None:
        self.tokens, self.stopped_by = iter(tokens), None

    def __next__(self) -> int:
        if self.stopped_by:
            raise StopIteration
        return next(self.tokens)

    def end(self, why: Any) -> None:
        self.stopped_by = why


class Spaced:
    """Words, numbered; spaces between them, none in front."""

    def encode(self, text: str, /) -> list[int]:
        return [int(word[1:]) for word in text.split()]

    def decode(self, tokens: list[int], /) -> str:
        return " ".join(f"w{token}" for token in tokens)


class PerByte(Bytes):
    """A replacement for every byte of an incomplete character, as byte-fallback tokenizers write it."""

    def decode(self, tokens: list[int], /) -> str:
        head = next((n for n in range(4) if super(PerByte, self).decode(tokens[: len(tokens) - n])[-1:] != "�"), 0)
        return super().decode(tokens[: len(tokens) - head]) + "�" * head


def texts(tokens: Iterable[int], tokenizer: Any, *stop: str) -> list[str]:
    return list(text_stream(cast(Generation, Given(tokens)), tokenizer, stop=stop))


@pytest.mark.parametrize("tokenizer", [Bytes(), PerByte()], ids=["one", "per byte"])
def test_characters_come_whole(tokenizer: Bytes) -> None:
    assert texts(tokenizer.encode(TEXT), tokenizer) == list(TEXT)


def test_a_long_text_is_the_text() -> None:
    assert "".join(texts(Bytes().encode(TEXT * 50), Bytes())) == TEXT * 50
    words = list(range(200))
    assert "".join(texts(words, Spaced())) == Spaced().decode(words)


def test_a_long_text_is_not_decoded_anew() -> None:
    class Counting(Spaced):
        most = 0

        def decode(self, tokens: list[int], /) -> str:
            self.most = max(self.most, len(tokens))
            return super().decode(tokens)

    tokenizer = Counting()
    texts(range(500), tokenizer)
    assert tokenizer.most < 50


def test_bytes_that_are_no_text_are_given_out_in_the_end() -> None:
    assert "".join(texts(b"ab\xff\xff\xffc\xf0\x9f\x98", Bytes())) == "ab\ufffd\ufffd\ufffdc\ufffd"
    pieces = Pieces(Bytes())
    assert sum(len(pieces.push(0xFF)) for _ in range(100)) == 97  # it does not wait for ever
    assert pieces.rest() == "\ufffd" * 3


@pytest.mark.parametrize(
    ("stop", "wanted"),
    [
        (("😀",), "naïve "),
        (("語 o", "本x"), "naïve 😀 — 日本"),
        (("ve 😀 —!",), TEXT),
        (("ok?",), TEXT),
        (("ve", "ïve"), "na"),
    ],
)
def test_it_ends_before_a_text(stop: tuple[str, ...], wanted: str) -> None:
    generation = Given(Bytes().encode(TEXT))
    assert "".join(text_stream(cast(Generation, generation), Bytes(), stop=stop)) == wanted
    assert generation.stopped_by == (None if wanted == TEXT else "stop")


def test_nothing_follows_a_stop_within_a_token() -> None:
    assert texts([10, 20, 30], Spaced(), "0 w2") == ["w1"]


def test_a_tokenizer_that_rewrites_is_refused() -> None:
    class Cleaning(Bytes):
        def decode(self, tokens: list[int], /) -> str:
            return super().decode(tokens).replace(" .", ".")

    with pytest.raises(UsageError, match=r"changed its mind about text that was given out \(got 'a.', wanted 'a '\)"):
        texts(b"a .", Cleaning())


def test_a_stop_is_a_list_and_a_byte_a_byte() -> None:
    with pytest.raises(UsageError, match="stop must be a list of texts"):
        text_stream(cast(Generation, Given([])), Bytes(), stop="end")
    with pytest.raises(UsageError, match=r"a token that is no byte \(got 256, wanted 0 to 255\)"):
        Bytes().decode([1, 256])


def test_what_is_no_tokenizer_is_refused_before_anything_is_computed() -> None:
    generation = Given([1, 2])
    with pytest.raises(UsageError, match=r"^no tokenizer \(got str, wanted an object with encode"):
        text_stream(cast(Generation, generation), "bytes")  # type: ignore[arg-type]
    assert list(generation) == [1, 2]
