"""What is done when: late frames, long steps and late wakes under each policy, on a clock that the test moves."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest

from edgeseq.runtime.measuring.samples import BINS, bin_numbers
from edgeseq.runtime.paced import histogram
from edgeseq.runtime.paced.pace import Pace, Policy, Todo


class Source:
    """Frames that arrive at given times, and a loop that looks when it is told to; period 100, margin 40."""

    def __init__(self, policy: Policy, *arrivals: int, most: int = 8) -> None:
        self.pace = Pace(100, policy, 40, most)
        self.arrivals = deque(arrivals)

    def at(self, now: int) -> Todo:
        """One decision at ``now``; frames that it takes are gone."""
        waiting = sum(arrival <= now for arrival in self.arrivals)
        todo = self.pace.look(now, waiting, lambda index: self.arrivals[index])
        if todo.what in ("step", "drop", "stale"):
            for _ in range(todo.chunks):
                self.arrivals.popleft()
        return todo

    def done(self, *times: int) -> list[tuple[str, int, int]]:
        """What is done, looking at each of the times until there is nothing but to wait: what, chunks, slot."""
        found: list[tuple[str, int, int]] = []
        for now in times:
            while (todo := self.at(now)).what != "wait":
                found.append((todo.what, todo.chunks, todo.slot))
        return found


def every(policy: Policy) -> Source:
    """Frames 0 to 5, due at 40, 140, ... of which frame 2 comes 30 after its slot."""
    return Source(policy, 0, 100, 270, 300, 400, 500)


TIMES = (40, 140, 240, 270, 340, 440, 540)


def test_nothing_is_due_before_the_first_frame_and_its_margin() -> None:
    source = Source("skip", 7)
    assert source.at(5) == Todo("wait", frame=True)
    assert source.at(7) == Todo("wait", due=47)
    assert source.at(47) == Todo("step", 1, 0, 47)


def test_skip_leaves_the_slot_and_drops_the_late_frame() -> None:
    assert every("skip").done(*TIMES) == [
        ("step", 1, 0),
        ("step", 1, 1),
        ("empty", 1, 2),
        ("drop", 1, 3),
        ("step", 1, 3),
        ("step", 1, 4),
        ("step", 1, 5),
    ]


def test_repeat_fills_the_slot_and_drops_the_late_frame() -> None:
    found = every("repeat").done(*TIMES)
    assert found[2:5] == [("fill", 1, 2), ("drop", 1, 3), ("step", 1, 3)]


def test_catch_up_counts_the_slot_and_steps_the_frame_when_it_comes() -> None:
    source = every("catch-up")
    assert source.done(*TIMES) == [
        ("step", 1, 0),
        ("step", 1, 1),
        ("late", 1, 2),
        ("step", 1, 2),
        ("step", 1, 3),
        ("step", 1, 4),
        ("step", 1, 5),
    ]
    assert source.pace.moved == 0


def test_catch_up_wakes_for_the_frame_that_it_waits_for() -> None:
    source = every("catch-up")
    source.done(40, 140, 240)
    assert source.at(250) == Todo("wait", slot=2, due=340, frame=True)


def test_after_a_long_step_skip_takes_the_newest_and_catch_up_takes_all_together() -> None:
    skip, catch_up = every("skip"), every("catch-up")
    assert skip.done(40, 445) == [("step", 1, 0), ("stale", 3, 1), ("step", 1, 4)]
    assert catch_up.done(40, 445) == [("step", 1, 0), ("step", 4, 1)]


def test_repeat_steps_together_what_is_there_and_fills_what_is_not() -> None:
    source = Source("repeat", 0, 100, 200)
    assert source.done(40, 445) == [("step", 1, 0), ("step", 2, 1), ("fill", 2, 3)]


def test_repeat_fills_a_long_stall_bit_by_bit() -> None:
    source = Source("repeat", 0, most=4)
    assert source.done(40, 1045) == [("step", 1, 0), ("fill", 4, 1), ("fill", 4, 5), ("fill", 2, 9)]


def test_one_step_takes_no_more_than_is_allowed() -> None:
    source = Source("catch-up", *range(10), most=4)
    assert source.done(950) == [("step", 4, 0), ("step", 4, 4), ("step", 2, 8)]


@pytest.mark.parametrize("policy", ["skip", "repeat", "catch-up"])
def test_a_frame_that_was_lost_on_the_way_moves_the_pace(policy: Policy) -> None:
    """Without frame 2 every later one comes a slot late, until the pace is moved to them."""
    source = Source(policy, 0, 100, *range(300, 1500, 100))
    found = source.done(*range(40, 1500, 10))
    assert source.pace.moved == 1
    last = [slot for what, _, slot in found if what == "step"][-5:]
    assert last == list(range(last[0], last[0] + 5))
    assert source.pace.due(last[-1]) == 1440
    assert sum(what in ("empty", "fill", "late") for what, _, _ in found) <= 5


def test_a_burst_after_a_stall_does_not_move_the_pace() -> None:
    source = Source("catch-up", 0, *[790] * 7, 800, 900)
    found = source.done(*range(40, 1000, 10))
    assert ("step", 7, 1) in found
    assert source.pace.moved == 0
    assert found[-2:] == [("step", 1, 8), ("step", 1, 9)]


def test_times_are_counted_in_the_bins_of_the_samples() -> None:
    assert histogram.BINS == BINS
    values = np.unique(np.concatenate([np.arange(600), 2 ** np.arange(42), 2 ** np.arange(42) - 1, 3 ** np.arange(26)]))
    assert [histogram.bin_of(int(value)) for value in values] == bin_numbers(values).tolist()
    assert histogram.bin_of(-5) == 0
    assert histogram.bin_of(2**60) == histogram.SIZE - 1
