"""Beam search over an exported language model: every beam is a fork of a stream.

python -m examples.beam_search chat.onnx 84,104,101     (what begins so, the likeliest first; a score is in nats)
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edgeseq import runtime
from edgeseq.io.text import language_model, log_probabilities
from edgeseq.runtime import Stream


class Beam(NamedTuple):
    """A way to go on, the sum of its log-probabilities, and where its last token comes from."""

    score: float
    tokens: tuple[int, ...]
    parent: Stream | None  # None: the beam has ended


def beam_search(
    stream: Stream, prompt: Sequence[int], *, beams: int, length: int, end: int | None = None
) -> list[Beam]:
    """The ``beams`` likeliest ways to go on for ``length`` tokens, or up to ``end``, among those that were looked at.

    Where no more than ``beams`` are possible before the last token, the first is the likeliest of all. It stays.
    """
    ports = language_model(stream.contract)

    def grown(parent: Stream, more: Sequence[int], score: float, tokens: tuple[int, ...]) -> list[Beam]:
        """Every way to go on by one token, once a fork of the parent was given ``more``."""
        twin = parent.fork()
        answer = twin.step(np.array([more], ports.tokens.dtype))
        logits = answer[ports.logits.name] if isinstance(answer, dict) else answer
        after = log_probabilities(logits.reshape(-1, ports.vocabulary)[-1])
        return [Beam(score + float(value), (*tokens, token), twin) for token, value in enumerate(after)]

    best = sorted(grown(stream, prompt, 0.0, ()), key=lambda beam: -beam.score)[:beams]
    for _ in range(length - 1):
        candidates = []
        for score, tokens, parent in best:
            if parent is None or tokens[-1] == end:
                candidates.append(Beam(score, tokens, None))
            else:
                candidates += grown(parent, tokens[-1:], score, tokens)
        best = sorted(candidates, key=lambda beam: -beam.score)[:beams]
    return best


if __name__ == "__main__":
    begin = [int(token) for token in sys.argv[2].split(",")]
    for found in beam_search(runtime.load(sys.argv[1]).stream(), begin, beams=8, length=16):
        print(f"{found.score:9.3f}  {','.join(map(str, found.tokens))}")
