"""IMDB sentiment (Maas et al., ACL 2011): tokens in, one of two classes out.

``train.csv.xz`` and ``test.csv.xz`` hold ``id,label,rating,text``. The given files are the split (their films are
disjoint); a tenth of the training reviews, drawn with a fixed seed, is for validation.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.tasks.dataset import Dataset, Split, unpacked

#: Tokens of a review: its last ones, behind padding where it has fewer, so that all streams end on the last word.
LENGTH = 192
VOCABULARY = 10_000
PADDING, UNKNOWN = 0, 1
CLASSES = 2

_WORD = re.compile(r"[a-z0-9']+|[!?]")


def read(folder: Path) -> Dataset:
    """Reviews as ``int64[examples, 192]`` and labels, 0 negative and 1 positive. The words are those of training."""
    texts, labels = _rows(folder / "train.csv.xz")
    order = np.random.default_rng(0).permutation(len(texts))
    held_out, kept = np.split(order, [len(order) // 10])
    numbers = vocabulary(texts[place] for place in kept)
    tokens, test = encoded(texts, numbers), _rows(folder / "test.csv.xz")
    return Dataset(
        train=Split(tokens[kept], labels[kept]),
        valid=Split(tokens[held_out], labels[held_out]),
        test=Split(encoded(test[0], numbers), test[1]),
    )


def words(text: str) -> list[str]:
    """Lower-case words and the marks ``!`` and ``?``, without the line breaks of HTML."""
    return _WORD.findall(text.lower().replace("<br />", " "))


def vocabulary(texts: Iterable[str], size: int = VOCABULARY) -> dict[str, int]:
    """A number for each of the most frequent words, from 2; the alphabet decides between equals."""
    counts = Counter(word for text in texts for word in words(text))
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return {word: number for number, (word, _) in enumerate(ranked[: size - 2], start=2)}


def encoded(texts: Sequence[str], numbers: dict[str, int], length: int = LENGTH) -> npt.NDArray[np.int64]:
    """``int64[texts, length]``: the last words of each text."""
    tokens = np.full((len(texts), length), PADDING, np.int64)
    for row, text in zip(tokens, texts, strict=True):
        found = [numbers.get(word, UNKNOWN) for word in words(text)[-length:]]
        row[length - len(found) :] = found
    return tokens


def _rows(path: Path) -> tuple[list[str], npt.NDArray[np.int64]]:
    rows = list(_reader(path))
    return [row["text"] for row in rows], np.array([int(row["label"]) for row in rows], np.int64)


def _reader(path: Path) -> Iterator[dict[str, str]]:
    return csv.DictReader(io.StringIO(unpacked(path).decode("utf-8"), newline=""))
