"""Temperature, top-k, top-p and the draw, against the same computed token by token."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from edgeseq.errors import UsageError
from edgeseq.io import text

INF = math.inf


def by_hand(logits: list[float], temperature: float, top_k: int | None, top_p: float | None) -> list[float]:
    """The distribution that is drawn from, one token at a time in Python's floats."""
    scores = [value / temperature for value in logits]
    ranked = sorted(range(len(scores)), key=lambda token: (-scores[token], token))
    ranked = ranked[: top_k or len(ranked)]
    weights = {token: math.exp(scores[token] - scores[ranked[0]]) for token in ranked}
    total, kept = 0.0, {}
    for token in ranked:
        if top_p is not None and top_p < 1 and total >= top_p * sum(weights.values()):
            break
        kept[token] = weights[token]
        total += weights[token]
    return [kept.get(token, 0.0) / sum(kept.values()) for token in range(len(scores))]


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("top_k", [None, 1, 5, 100])
@pytest.mark.parametrize("top_p", [None, 0.2, 0.77, 1.0])
def test_the_distribution_is_that_computed_by_hand(temperature: float, top_k: int | None, top_p: float | None) -> None:
    logits = 2 * np.random.default_rng(3).standard_normal(20).astype(np.float32)
    shares = text.probabilities(text.Sampling(temperature, top_k, top_p).logits(logits))
    wanted = by_hand([float(value) for value in logits], temperature, top_k, top_p)
    np.testing.assert_allclose(shares, wanted, rtol=1e-12)


def test_of_equal_logits_the_lowest_tokens_stay() -> None:
    logits = np.array([1, 3, 2, 2, 3, 2], np.float32)
    assert list(np.flatnonzero(np.isfinite(text.with_top_k(logits, 4)))) == [1, 2, 3, 4]
    assert text.greedy(logits) == 1
    four = np.zeros(4, np.float32)  # a quarter each, exactly
    assert list(np.flatnonzero(np.isfinite(text.with_top_p(four, 0.5)))) == [0, 1]
    assert list(np.flatnonzero(np.isfinite(text.with_top_p(four, 0.5 + 2**-50)))) == [0, 1, 2]
    assert list(np.flatnonzero(np.isfinite(text.with_top_p(four, 1e-9)))) == [0]


def test_of_many_equal_logits_the_lowest_tokens_are_the_nucleus() -> None:
    logits = np.where(np.arange(1024) % 2, 0, -50).astype(np.float32)  # of 512 tokens, 129 make up 0.2501
    assert list(np.flatnonzero(np.isfinite(text.with_top_p(logits, 0.2501)))) == list(range(1, 2 * 129, 2))


def test_temperature_comes_before_the_nucleus() -> None:
    logits = np.log([0.6, 0.3, 0.1])
    assert np.count_nonzero(text.probabilities(text.Sampling(1.0, top_p=0.7).logits(logits))) == 2
    assert np.count_nonzero(text.probabilities(text.Sampling(0.2, top_p=0.7).logits(logits))) == 1
    assert np.count_nonzero(text.probabilities(text.Sampling(1.0, top_k=2, top_p=0.65).logits(logits))) == 1


def test_huge_and_excluded_logits_do_not_overflow() -> None:
    logits = np.array([1e30, -1e30, -INF, 1e30], np.float32)
    assert text.probabilities(text.with_temperature(logits, 1e-300)).tolist() == [0.5, 0, 0, 0.5]
    assert text.probabilities(text.with_top_p(logits, 0.99)).tolist() == [0.5, 0, 0, 0.5]
    assert text.with_top_k(logits, 3).tolist()[2] == -INF


def test_a_draw_takes_every_token_for_its_share_of_the_numbers() -> None:
    shares = np.array([0, 3, 0, 1, 4, 0]) / 8
    drawn = [text.draw(shares, (n + 0.5) / 800) for n in range(800)]
    assert np.bincount(drawn, minlength=6).tolist() == [0, 300, 0, 100, 400, 0]
    assert text.draw(shares, 0.0) == 1
    assert text.draw(shares, math.nextafter(1, 0)) == 4
    assert text.draw(shares, 3 / 8) == 3
    assert [text.draw(8 * shares, n / 8) for n in range(8)] == [1, 1, 1, 3, 4, 4, 4, 4]


def test_many_draws_have_the_probabilities() -> None:
    logits = np.random.default_rng(5).standard_normal(6).astype(np.float32)
    sampling, generator, count = text.Sampling(0.8, top_k=4, top_p=0.95), np.random.default_rng(0), 2_000
    drawn = np.bincount([sampling.choose(logits, generator) for _ in range(count)], minlength=6)
    shares = text.probabilities(sampling.logits(logits))
    assert np.all(drawn[shares == 0] == 0)
    assert np.all(np.abs(drawn - count * shares) <= 4 * np.sqrt(count * shares * (1 - shares)))


def test_log_probabilities_reach_further_than_probabilities() -> None:
    logits = np.array([0, 1, -2000, -INF], np.float32)
    found = text.log_probabilities(logits)
    np.testing.assert_allclose(np.exp(found), text.probabilities(logits), rtol=1e-15)
    np.testing.assert_allclose(found[2], -2001 - math.log1p(math.exp(-1)))
    assert found[3] == -INF


def test_probabilities_sum_to_one_over_a_large_vocabulary() -> None:
    shares = text.probabilities(np.zeros(50_000, np.float16))
    assert abs(math.fsum(shares.tolist()) - 1) < 1e-10


@pytest.mark.parametrize("logits", [[0.0, math.nan], [INF, 0.0], [-INF, -INF]], ids=["nan", "infinite", "none"])
def test_what_is_no_distribution_is_refused(logits: list[float]) -> None:
    for choose in (text.Sampling(), text.Sampling(1.0), text.Sampling(1.0, 1), text.Sampling(1.0, None, 0.5)):
        with pytest.raises(UsageError, match=r"^logits that are no distribution \(got a largest logit of"):
            choose.choose(np.array(logits, np.float32), np.random.default_rng(0))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"temperature": -1.0}, r"temperature must be a finite number, 0 for greedy or above \(got -1.0\)"),
        ({"temperature": math.nan}, "temperature must be"),
        ({"temperature": 1.0, "top_k": 0}, r"top_k must be a whole number from 1 \(got 0\)"),
        ({"temperature": 1.0, "top_p": 0.0}, r"top_p must be above 0 and at most 1 \(got 0.0\)"),
        ({"temperature": 1.0, "top_p": 90}, "top_p must be"),
        ({"top_p": 0.9}, "temperature 0 draws none: it takes the likeliest. Give a temperature"),
    ],
)
def test_settings_that_mean_nothing_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        text.Sampling(**given)
