"""Restoring vowels: text of WikiText-2 without them is the source, the text itself the target, both as characters.

The parts are those of WikiText-2, its paragraphs cut between words into pieces of at most 48 characters. A sequence
given a sequence on real text, of which any amount can be had.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.tasks.dataset import IGNORED, Dataset, Split, unpacked

#: Characters of a piece with the mark that starts it, and of what is left without vowels.
LENGTH, SOURCE = 48, 40
#: With padding, the mark that starts a target, and one for characters that are too rare.
VOCABULARY = 64
PADDING, START, RARE = 0, 1, 2
VOWELS = frozenset("aeiouAEIOU")
#: Pieces that are kept, at even distances.
TRAIN, HELD_OUT = 24_000, 500

_PARTS = ("train", "valid", "test")


def read(folder: Path) -> Dataset:
    """Tokens ``int64[pieces, 40 + 48]``, source and target behind each other, and what follows each of the target's.

    A source is filled up in front, a target behind, where nothing is asked (``IGNORED``). Characters are training's.
    """
    texts = {name: list(pieces(unpacked(folder / f"{name}.txt.xz").decode("utf-8"))) for name in _PARTS}
    kept = {name: _spread(found, TRAIN if name == "train" else HELD_OUT) for name, found in texts.items()}
    numbers = characters(kept["train"])
    return Dataset(**{name: encoded(found, numbers) for name, found in kept.items()})


def pieces(text: str) -> Iterator[str]:
    """Paragraphs, no headings, cut between words and where a word is unknown; what is left behind a cut is dropped."""
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("="):
            for part in line.split("<unk>"):
                yield from _cut(part.split())


def _cut(words: Sequence[str]) -> Iterator[str]:
    piece = ""
    for word in words:
        longer = f"{piece} {word}".strip()
        if _fits(longer):
            piece = longer
            continue
        if len(piece) > LENGTH // 2:
            yield piece
        piece = word if _fits(word) else ""


def _fits(piece: str) -> bool:
    return len(piece) < LENGTH and len(without_vowels(piece)) <= SOURCE


def without_vowels(text: str) -> str:
    """The text that is left."""
    return "".join(character for character in text if character not in VOWELS)


def characters(texts: Sequence[str]) -> dict[str, int]:
    """A number for each of the most frequent characters."""
    counts = Counter(character for text in texts for character in text)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {character: number for number, (character, _) in enumerate(ranked[: VOCABULARY - 3], start=3)}


def encoded(texts: Sequence[str], numbers: dict[str, int]) -> Split:
    """The pieces as :func:`read` says."""
    inputs = np.full((len(texts), SOURCE + LENGTH), PADDING, np.int64)
    targets = np.full((len(texts), LENGTH), IGNORED, np.int64)
    for row, wanted, text in zip(inputs, targets, texts, strict=True):
        source, target = _tokens(without_vowels(text), numbers), _tokens(text, numbers)
        row[SOURCE - len(source) : SOURCE] = source
        row[SOURCE] = START
        row[SOURCE + 1 : SOURCE + 1 + len(target)] = target
        wanted[: len(target)] = target
    return Split(inputs, targets)


def _tokens(text: str, numbers: dict[str, int]) -> npt.NDArray[np.int64]:
    return np.array([numbers.get(character, RARE) for character in text], np.int64)


def _spread(texts: Sequence[str], most: int) -> list[str]:
    chosen = np.linspace(0, len(texts) - 1, min(most, len(texts))).round().astype(np.int64)
    return [texts[place] for place in chosen]
