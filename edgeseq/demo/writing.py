"""A line of text from a stream, one character at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgeseq.demo.data import decode, encode
from edgeseq.demo.settings import Settings
from edgeseq.runtime import Stream


def write(stream: Stream, settings: Settings) -> str:
    """The prompt and what follows, ``settings.line`` characters in all; each one drawn is the stream's next frame."""
    random, temperature = np.random.default_rng(settings.seed), settings.temperature
    tokens = encode(settings.prompt)
    stream.reset()
    logits: Any = stream.step(tokens[None])
    drawn = [draw(logits[0, -1], temperature, random)]
    for _ in range(settings.line - len(tokens) - 1):
        logits = stream.step(np.array([[drawn[-1]]], dtype=np.int64))
        drawn.append(draw(logits[0, -1], temperature, random))
    return decode(np.concatenate([tokens, drawn]))


def draw(logits: npt.NDArray[np.float32], temperature: float, random: np.random.Generator) -> int:
    """A token with the chances that the logits give it at this temperature."""
    scores = logits.astype(np.float64) / temperature
    chances = np.exp(scores - scores.max())
    return int(random.choice(len(chances), p=chances / chances.sum()))
