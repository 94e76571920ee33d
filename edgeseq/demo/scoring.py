"""Bits per character, from a stream: how well its model predicts text it has not seen."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseq.demo.data import Tokens
from edgeseq.runtime import Stream

#: Characters of one step where the stream is long.
CHUNK = 1024

Logits = npt.NDArray[np.float32]


def bits_per_character(stream: Stream, tokens: Tokens, context: int | None) -> float:
    """Mean bits for every token but the first, each predicted from those before it.

    With ``context`` None the text is one long stream. Otherwise it is cut into windows of ``context`` tokens that
    overlap by half: past the first window every token is predicted from at least half a context.
    """
    total = 0.0
    for start, skip, end in windows(len(tokens) - 1, context):
        logits = whole(stream, tokens[start:end])
        total += bits(logits[skip:], tokens[start + skip + 1 : end + 1])
    return total / (len(tokens) - 1)


def windows(length: int, context: int | None) -> Iterator[tuple[int, int, int]]:
    """Where each window starts, how many of its predictions the last one has already made, and where it ends."""
    start, done = 0, 0
    while done < length:
        end = length if context is None else min(length, start + context)
        yield start, done - start, end
        done = end
        start += 0 if context is None else context // 2


def whole(stream: Stream, tokens: Tokens) -> Logits:
    """``[time, characters]`` logits of a stream that starts with these tokens."""
    stream.reset()
    chunks: list[Any] = [stream.step(tokens[None, start : start + CHUNK]) for start in range(0, len(tokens), CHUNK)]
    return np.asarray(np.concatenate(chunks, axis=1)[0], dtype=np.float32)


def bits(logits: Logits, targets: Tokens) -> float:
    """The sum of -log2 of what the logits give to the targets."""
    scores = logits.astype(np.float64)
    scores -= scores.max(axis=1, keepdims=True)
    chosen = scores[np.arange(len(targets)), targets]
    return float((np.log(np.exp(scores).sum(axis=1)) - chosen).sum() / math.log(2))
