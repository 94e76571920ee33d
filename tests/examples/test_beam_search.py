"""``examples/beam_search.py`` against a search through everything."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from edgeseq import runtime
from edgeseq.io.text import generate, log_probabilities
from edgeseq.runtime import Stream
from examples.beam_search import beam_search
from tests import language_models

WORDS, LENGTH, PROMPT = 4, 4, [1, 0]


@pytest.fixture
def stream(tmp_path: Path) -> Stream:
    return runtime.load(language_models.recurrent(WORDS).save(tmp_path / "m.onnx")).stream()


def every_way(end: int | None) -> list[tuple[float, tuple[int, ...]]]:
    """All sequences and what they are worth, by the whole model in numpy; none goes on after ``end``."""
    whole, found = language_models.recurrent(WORDS).whole, {}
    for tokens in product(range(WORDS), repeat=LENGTH):
        cut = tokens[: tokens.index(end) + 1] if end in tokens else tokens
        frames = whole(np.array([[*PROMPT, *cut]]))[0][0][len(PROMPT) - 1 :]
        found[cut] = sum(log_probabilities(frame)[token] for frame, token in zip(frames, cut, strict=False))
    return sorted(((score, tokens) for tokens, score in found.items()), reverse=True)


@pytest.mark.parametrize("end", [None, 2])
def test_a_beam_that_is_wide_enough_finds_the_best(stream: Stream, end: int | None) -> None:
    wanted = every_way(end)
    found = beam_search(stream, PROMPT, beams=WORDS ** (LENGTH - 1), length=LENGTH, end=end)
    assert [beam.tokens for beam in found[:5]] == [tokens for _, tokens in wanted[:5]]
    np.testing.assert_allclose([beam.score for beam in found[:5]], [score for score, _ in wanted[:5]], rtol=1e-5)
    assert stream.position == 0


def test_one_beam_is_greedy_and_not_the_best(stream: Stream) -> None:
    (beam,) = beam_search(stream, PROMPT, beams=1, length=LENGTH)
    assert list(beam.tokens) == list(generate(stream.fork(), PROMPT, max_tokens=LENGTH))
    assert beam.score < every_way(None)[0][0] - 0.1
