"""Strategies as values, and what becomes of them."""

from __future__ import annotations

from math import inf

import pytest

from edgeseq.errors import ProviderError, UsageError
from edgeseq.runtime.paced import Dummy, Scheduling, Spin, Touch
from edgeseq.runtime.paced.scheduling import apply
from edgeseq.runtime.paced.warming import Spinning, Warming, from_plain, nanoseconds, strategy, to_plain


class Noted:
    def __init__(self, lead_ns: int, notes: list[int]) -> None:
        self.lead_ns, self._notes = lead_ns, notes

    def __call__(self, due_ns: int) -> None:
        self._notes.append(self.lead_ns)


def test_strategies_become_plain_values_and_come_back() -> None:
    given = (Dummy(), Dummy(0.002), Spin(), Touch(0.5))
    assert from_plain(to_plain(given)) == given
    (endless,) = from_plain(to_plain((Spin(inf),)))
    assert endless.lead is not None
    assert nanoseconds(endless.lead) == nanoseconds(inf)


def test_the_longest_lead_begins() -> None:
    notes: list[int] = []
    warming = Warming([Noted(5, notes), Noted(30, notes)], lambda: 1000)
    assert warming.lead_ns == 30
    warming.until(990)
    assert notes == [30, 5]


def test_a_strategy_is_registered_once() -> None:
    with pytest.raises(UsageError, match="Spin is registered twice"):
        strategy(Spin)(Spinning)


def test_what_the_system_does_not_give_is_an_error() -> None:
    with pytest.raises(ProviderError, match=r"^these cores cannot be had: .* Name cores that there are\.$"):
        apply(Scheduling(cores=(100_000,), timer_slack_ns=None))
