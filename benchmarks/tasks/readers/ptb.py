"""Penn Treebank as Mikolov prepared it: words in, the logits of the next word out.

``ptb.{train,valid,test}.txt.xz`` hold a sentence a line, words between spaces. The given files are the split.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.tasks.dataset import Dataset, Split, unpacked

#: Words of one example: what a Transformer has positions for, in training as in evaluation.
LENGTH = 128
#: With the end of sentence.
VOCABULARY = 10_000


def read(folder: Path) -> Dataset:
    """Windows ``int64[examples, 128]``, and as targets the same shifted by one word."""
    return corpus(folder, "ptb.{}.txt.xz")


def corpus(folder: Path, file: str) -> Dataset:
    """The same of any text whose three parts are files of such a name; the words are those of training."""
    texts = {name: _words(folder / file.format(name)) for name in ("train", "valid", "test")}
    numbers = {word: number for number, word in enumerate(sorted(set(texts["train"])))}
    streams = {name: np.array([numbers[word] for word in text], np.int64) for name, text in texts.items()}
    return Dataset(**{name: windows(stream) for name, stream in streams.items()})


def windows(stream: npt.NDArray[np.int64], length: int = LENGTH) -> Split:
    """Windows that follow each other; what does not fill the last one is left out."""
    count = (len(stream) - 1) // length
    return Split(stream[: count * length].reshape(count, length), stream[1 : count * length + 1].reshape(count, length))


def _words(path: Path) -> list[str]:
    return [word for line in unpacked(path).decode("utf-8").splitlines() for word in (*line.split(), "<eos>")]
