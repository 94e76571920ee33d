"""Verdicts over processes: equal things are rarely called different, and real differences are found."""

from __future__ import annotations

import numpy as np
import pytest

from edgeseq.lab.differences import Difference, _rank_sum_left_out, ratio_of
from edgeseq.runtime.measuring.intervals import median_interval, signed_rank_interval


def share_called_different(factor: float, paired: bool, drift: float = 0.0) -> float:
    """Of 1,000 comparisons of ten processes each, noise of 5 %; ``drift`` is common to both."""
    random = np.random.default_rng(1)
    found = 0
    for _ in range(1_000):
        common = random.normal(0, drift, 10) if drift else np.zeros(10)
        first, other = (np.exp(common + random.normal(0, 0.05, 10)) for _ in range(2))
        _, low, high = ratio_of((other * factor).tolist(), first.tolist(), paired)
        assert low is not None
        assert high is not None
        found += not low <= 1 <= high
    return found / 1_000


@pytest.mark.parametrize("paired", [True, False])
def test_equal_things_are_called_different_in_one_of_a_hundred(paired: bool) -> None:
    assert share_called_different(1.0, paired) < 0.02


@pytest.mark.parametrize("paired", [True, False])
def test_a_difference_of_a_fifth_is_found(paired: bool) -> None:
    assert share_called_different(1.2, paired) > 0.99


def test_what_drifts_for_both_hides_no_difference_between_neighbours() -> None:
    assert share_called_different(1.2, paired=True, drift=0.3) > 0.99
    assert share_called_different(1.2, paired=False, drift=0.3) < 0.5


@pytest.mark.parametrize("paired", [True, False])
def test_seven_processes_tell_nothing(paired: bool) -> None:
    ratio, low, high = ratio_of([2.0] * 7, [1.0] * 7, paired)
    assert ratio == pytest.approx(2)
    assert (low, high) == (None, None)
    assert Difference("b", "a", "paced", "p50", ratio, low, high).visible is None
    assert not Difference("b", "a", "paced", "p50", ratio, low, high).beyond(0.1)


def test_a_difference_in_words_of_its_interval() -> None:
    slower = Difference("b", "a", "paced", "p50", 1.15, 1.12, 1.2)
    assert (slower.visible, slower.beyond(0.1), slower.beyond(0.2)) == (True, True, False)
    assert Difference.from_dict(slower.to_dict()) == slower
    assert Difference("b", "a", "paced", "p50", 1.15, 0.99, 1.2).visible is False


def test_intervals_against_published_tables() -> None:
    """Hollander, Wolfe, Chicken, tables A.4 and A.6: critical values for n = 8, 10 and 10 and 10."""
    assert signed_rank_interval(list(range(1, 9)), 0.99) == (4.5, 1.0, 8.0)
    means = sorted((a + b) / 2 for a in range(10) for b in range(a, 10))
    assert signed_rank_interval(list(range(10)), 0.99) == (4.5, means[3], means[-4])
    assert median_interval(list(range(10))) == (1, 8)
    assert median_interval(list(range(6))) == (0, 5)
    assert median_interval(list(range(5))) is None


@pytest.mark.parametrize("count", [10, 60])
def test_many_processes_leave_out_what_the_normal_distribution_says(count: int) -> None:
    """Mann and Whitney's U: mean n^2 / 2, variance n^2 (2n + 1) / 12."""
    found = _rank_sum_left_out(count, count, 0.005)
    expected = count**2 / 2 - 2.576 * (count**2 * (2 * count + 1) / 12) ** 0.5
    assert found == pytest.approx(expected, abs=2)
