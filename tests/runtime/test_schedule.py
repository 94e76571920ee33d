"""The arithmetic of calls, on its own."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from edgeseq.contract import Chunk, Contract, Length, Port
from edgeseq.runtime import schedule


def timed(ratio: Fraction, delay: int, length: Length) -> Port:
    return Port("y", "output", "float32", ("batch", "time"), 1, ratio, delay, length)


@pytest.mark.parametrize(
    ("fed", "frames", "largest", "starts", "sizes"),
    [
        (0, 0, None, (), []),
        (0, 7, None, (), [7]),
        (0, 7, 3, (), [3, 3, 1]),
        (0, 7, None, (2, 5), [2, 3, 2]),
        (2, 5, None, (2, 5), [3, 2]),
        (4, 6, 4, (6,), [2, 4]),
        (6, 2, 4, (6,), [2]),
    ],
)
def test_split(fed: int, frames: int, largest: int | None, starts: tuple[int, ...], sizes: list[int]) -> None:
    assert schedule.split(fed, frames, largest, starts) == sizes


@for_all(
    fed=st.integers(0, 30),
    frames=st.integers(0, 60),
    largest=st.none() | st.integers(1, 9),
    starts=st.lists(st.integers(1, 60), max_size=4),
)
def test_calls_add_up_and_straddle_nothing(fed: int, frames: int, largest: int | None, starts: list[int]) -> None:
    sizes = schedule.split(fed, frames, largest, starts)
    assert sum(sizes) == frames
    for size in sizes:
        assert 0 < size <= (largest or size)
        assert not any(fed < start < fed + size for start in starts)
        fed += size


@for_all(
    multiple=st.integers(1, 4),
    frames=st.integers(1, 3),
    delay=st.integers(0, 9),
    offset=st.integers(-5, 5),
    total=st.integers(1, 40),
)
def test_flush_feeds_enough_and_no_more_than_spare(
    multiple: int, frames: int, delay: int, offset: int, total: int
) -> None:
    length = Length(multiple, frames, tuple(offset + rest * frames // multiple for rest in range(multiple)))
    port = timed(Fraction(frames, multiple), delay, length)
    contract = Contract(ports=(port,), states=(), chunk=Chunk(multiple))
    fed = total // multiple * multiple
    end = schedule.fed_at_end(contract, total, fed)
    owed = length(total)
    assert owed is not None
    assert end % multiple == 0
    assert schedule.frames_of(port, end) - delay >= owed or owed <= schedule.given(port, fed)
    assert end - total <= schedule.spare(contract)


@pytest.mark.parametrize(
    ("chunk", "batch", "largest"),
    [
        (Chunk(), 3, None),
        (Chunk(2, 7), 1, 6),
        (Chunk(1, 8, 1), 1, 8),
        (Chunk(1, 8, 1), 2, 1),
        (Chunk(1, None, 4), 2, 4),
    ],
)
def test_the_largest_call(chunk: Chunk, batch: int, largest: int | None) -> None:
    assert schedule.largest_call(chunk, batch) == largest


def test_accepted_lengths_in_words() -> None:
    odd = timed(Fraction(1, 3), 0, Length(3, 1, (None, 1, 1)))
    assert schedule.accepted_lengths(Contract(ports=(odd,), states=(), min_frames=4)) == "at least 4, 1 or 2 modulo 3"
