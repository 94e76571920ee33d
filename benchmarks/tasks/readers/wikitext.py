"""WikiText-2 (Merity et al., 2016): words in, the logits of the next word out.

``{train,valid,test}.txt.xz`` hold a paragraph or heading a line, words between spaces. The given files are the split.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.tasks.dataset import Dataset
from benchmarks.tasks.readers import ptb

#: With the end of a line.
VOCABULARY = 33_278
LENGTH = ptb.LENGTH


def read(folder: Path) -> Dataset:
    """Windows ``int64[examples, 128]``, and as targets the same shifted by one word."""
    return ptb.corpus(folder, "{}.txt.xz")
