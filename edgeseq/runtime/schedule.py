"""The arithmetic of a stream: base frames, the frames an output has given, where calls are cut.

A *base frame* is a frame of the frame ports. An output of ratio r carries r frames for each base frame that the graph
was fed, of which the first ``delay`` of the whole stream are not real::

    fed      |0 1 2 3 4 5|          delay = 2, ratio = 1
    carried  |- - a b c d|          given(6) = 4
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from edgeseq.contract import Chunk, Contract, Port
from edgeseq.errors import ShapeError

if TYPE_CHECKING:
    from edgeseq.runtime.devices import Array

#: One count of frames, or an array of integers, one for each of several streams.
Count = TypeVar("Count", int, "Array")


def frames_of(port: Port, base_frames: Count) -> Count:
    """Frames of ``port`` that belong to ``base_frames``, a multiple of the chunk's multiple; of each in an array."""
    ratio = port.ratio
    return base_frames * ratio.numerator // ratio.denominator


def frames_in_call(port: Port, base_frames: int) -> int:
    """Frames along the time axis of ``port`` in a call of ``base_frames``, the overlap in front included."""
    return frames_of(port, base_frames) + port.overlap


def base_frames_for(port: Port, frames: int) -> int:
    """The fewest base frames that hold ``frames`` frames of ``port``."""
    return -(-frames * port.ratio.denominator // port.ratio.numerator)


def given(port: Port, fed: int) -> int:
    """Real frames of a timed output that the caller has had after ``fed`` base frames, the end not reached."""
    return max(0, frames_of(port, fed) - port.delay)


def silent_until(port: Port) -> int:
    """The most base frames after which a timed output has given no real frame."""
    return ((port.delay + 1) * port.ratio.denominator - 1) // port.ratio.numerator


def round_up(base_frames: int, multiple: int) -> int:
    """The smallest multiple that is at least ``base_frames``."""
    return -(-base_frames // multiple) * multiple


def largest_call(chunk: Chunk, batch: int) -> int | None:
    """The most base frames of one call, a multiple of ``chunk.multiple``; None where there is no limit."""
    limits = [chunk.max, chunk.max_batched if batch > 1 else None]
    known = [limit for limit in limits if limit is not None]
    return min(known) // chunk.multiple * chunk.multiple if known else None


def split(fed: int, base_frames: int, largest: int | None, starts: Sequence[int]) -> list[int]:
    """Sizes of the calls that take ``base_frames`` from position ``fed`` on: none too large, none across a start."""
    end, sizes = fed + base_frames, []
    while fed < end:
        stop = min([end, *(start for start in starts if start > fed)])
        if largest is not None:
            stop = min(stop, fed + largest)
        sizes.append(stop - fed)
        fed = stop
    return sizes


def fed_at_end(contract: Contract, total: int, fed: int) -> int:
    """Base frames, filler included, that a stream of ``total`` base frames must be fed; ``fed`` of them it has been."""
    needed = fed
    for port in contract.with_role("output"):
        if port.length is None:
            needed = max(needed, total + port.delay)
            continue
        length = port.length(total) or 0
        if length > given(port, fed):
            needed = max(needed, base_frames_for(port, length + port.delay))
    return round_up(needed, contract.chunk.multiple)


def spare(contract: Contract) -> int:
    """The most filler base frames that ``flush`` may feed beyond the last real one."""
    most = 0
    for port in contract.with_role("output"):
        if port.length is None:
            most = max(most, port.delay)
            continue
        for rest, offset in enumerate(port.length.at):
            if offset is not None:
                most = max(most, base_frames_for(port, offset + port.delay) - rest)
    return round_up(most, contract.chunk.multiple) + contract.chunk.multiple - 1


def lengths_at_end(contract: Contract, total: int) -> dict[str, int]:
    """Frames of every timed output for ``total`` base frames; ShapeError where the model takes no such length."""
    timed = [port for port in contract.with_role("output") if port.time_axis is not None]
    if total == 0:
        return {port.name: 0 for port in timed}
    lengths = {port.name: port.length(total) if port.length else None for port in timed}
    if total < contract.min_frames or any(length is None for length in lengths.values()):
        raise ShapeError(
            "the model takes no input of this length",
            got=f"{total} frames",
            wanted=accepted_lengths(contract),
            do="step more frames, then flush again",
        )
    return {name: length or 0 for name, length in lengths.items()}


def accepted_lengths(contract: Contract) -> str:
    """In words, how many base frames a stream of this contract may have in all."""
    periods = [(port.length.period, port.length.at) for port in contract.with_role("output") if port.length]
    words = f"at least {contract.min_frames}"
    for period, at in periods:
        rests = [str(rest) for rest, offset in enumerate(at) if offset is not None]
        if len(rests) < period:
            some = " or ".join(rests[:5]) + (f" or {len(rests) - 5} others" if len(rests) > 5 else "")
            words += f", {some} modulo {period}" if rests != ["0"] else f", a multiple of {period}"
    return words


def unique_starts(starts: Iterable[int]) -> tuple[int, ...]:
    """The counts beyond 0 at which initial values are written back, in order."""
    return tuple(sorted({start for start in starts if start > 0}))


def along(axis: int, begin: int, end: int | None) -> tuple[slice, ...]:
    """The index of frames ``begin`` to ``end`` along ``axis``, None for the last."""
    return (*(slice(None),) * axis, slice(begin, end))
