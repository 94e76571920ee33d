"""Two hills are found, and heavy tails are not taken for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgeseq.lab.findings.hills import two_hills
from edgeseq.runtime.measuring.series import make_series

Draw = Callable[[np.random.Generator, int], Any]

#: Around 1: one hill each, most with tails as latencies have them.
UNIMODAL: dict[str, Draw] = {
    "log-normal": lambda random, count: random.lognormal(0, 0.5, count),
    "Pareto 1.5": lambda random, count: 1 + random.pareto(1.5, count),
    "Student's t in logarithms": lambda random, count: np.exp(np.clip(0.05 * random.standard_t(2, count), -3, 8)),
    "gamma": lambda random, count: 1 + 0.2 * random.gamma(1, 1, count),
    "rare and long": lambda random, count: mixed(random, count, 0.03, 2, 100),
}
BIMODAL: dict[str, Draw] = {
    "a third half as long again": lambda random, count: mixed(random, count, 0.3, 1.5, 1.5),
    "a tenth twice as long": lambda random, count: mixed(random, count, 0.1, 2, 2),
}


def mixed(random: np.random.Generator, count: int, share: float, low: float, high: float) -> Any:
    """Log-normal steps, of which a share takes ``low`` to ``high`` times as long."""
    return random.lognormal(0, 0.05, count) * np.where(
        random.random(count) < share, random.uniform(low, high, count), 1
    )


def found(draw: Draw, trials: int, count: int) -> int:
    random = np.random.default_rng(3)
    samples = (np.maximum(1, 2e4 * draw(random, count)).astype(np.int64) for _ in range(trials))
    return sum(two_hills(make_series("paced", [sample])) is not None for sample in samples)


@pytest.mark.parametrize("name", UNIMODAL)
@pytest.mark.parametrize("count", [150, 2_000])
def test_one_hill_is_called_two_in_fewer_than_one_of_twenty(name: str, count: int) -> None:
    assert found(UNIMODAL[name], 40, count) < 2


@pytest.mark.parametrize("name", BIMODAL)
def test_two_hills_are_found(name: str) -> None:
    assert found(BIMODAL[name], 20, 2_000) == 20


def test_hills_are_where_they_are() -> None:
    samples = 2e4 * mixed(np.random.default_rng(0), 4_000, 0.25, 3, 3)
    hills = two_hills(make_series("paced", [samples.astype(np.int64)]))
    assert hills is not None
    assert (hills.low_ns, hills.high_ns) == pytest.approx((2e4, 6e4), rel=0.05)
    assert hills.low_ns < hills.valley_ns < hills.high_ns
    assert hills.share == pytest.approx(0.25, abs=0.03)


def test_few_samples_say_nothing() -> None:
    assert two_hills(make_series("paced", [[100] * 20 + [900] * 20])) is None
