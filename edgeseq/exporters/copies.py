"""First frames that are copies of later ones, as reflect and replicate padding makes them.

``x[2], x[1]`` in front of ``x[0], x[1], x[2], ...`` are known only once ``x[2]`` has come. They are not in the stream;
:class:`Timed` says of which frames they are copies. A windowed op has a history that they stand in by then, so they are
written over its first frames, once, in the call that begins where ``x[2]`` is sure to have come::

    history   p p 0 1 | 2 3 . .        p: written over by 2 1, in the call that begins with x[2]

A state tells that call: it starts out true, its ``start`` is that call's first frame, and it is false from then on.
Windows that reach as far as the copies cost no delay beyond their own look-ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from edgeseq.exporters.facts import Static, Timed
from edgeseq.exporters.symbols import mentions

if TYPE_CHECKING:
    from edgeseq.exporters.step import Step

aten = torch.ops.aten
_Rule = TypeVar("_Rule", bound=Callable[..., Any])
_KEEPING: set[Any] = set()


def keeps_copies(rule: _Rule) -> _Rule:
    """Mark a rule that hands copied frames on, or puts them in place itself; others get them in the stream."""
    _KEEPING.add(rule)
    return rule


def is_kept_by(rule: Any) -> bool:
    """True for a rule marked by :func:`keeps_copies`."""
    return rule in _KEEPING


def copied_in(step: Step, x: torch.Tensor, fact: Timed) -> tuple[torch.Tensor, Timed]:
    """The value with its copied frames in the stream, so late that what they copy has come before they are due."""
    if not fact.copied:
        return x, fact
    if fact.folded or fact.rowed:
        raise step.refuse("it copies frames of time folded with another axis", "give time an axis of its own")
    joined, late = windows_over(step, x, fact, 0, 1)
    reach = Fraction(max(fact.copied)) / fact.ratio
    reads = fact.reads and (fact.reads[0], fact.reads[1] + reach)
    return joined, fact.with_(delay=late, copied=(), reads=reads)


def windows_over(step: Step, x: torch.Tensor, fact: Timed, reach: int, stride: int) -> tuple[torch.Tensor, int]:
    """The frames that this call's windows read, copied ones in place, and the delay of what is made of a window.

    Window ``m`` holds the frames from ``m * stride`` to ``m * stride + reach``; each is counted in frames of
    its own.
    """
    begin, late = _first_call(step, fact, reach, stride)
    axis, history = fact.axis, stride * late - fact.delay
    kept, joined = None, x
    if history > 0:
        shape = (*fact.shape[:axis], history, *fact.shape[axis + 1 :])
        kept = step.state("history", kind="conv", shape=shape, dtype=x.dtype)
        joined = torch.cat([kept.value, x], axis)
    elif history < 0:
        joined = aten.slice.Tensor(x, axis, -history)
    joined = _written_over(step, joined, fact, stride * late - begin, int(begin / fact.ratio))
    if kept is not None:
        kept.next = aten.slice.Tensor(joined, axis, -history)
    spare = history + stride - reach - 1
    return (aten.slice.Tensor(joined, axis, 0, -spare) if spare >= stride else joined), late


def _first_call(step: Step, fact: Timed, reach: int, stride: int) -> tuple[int, int]:
    """The frame with which the call begins that writes the copies, and the least delay that leaves it the time."""
    call = int(step.multiple * fact.ratio)
    needed = fact.delay + max(fact.copied)
    for late in count((fact.delay + reach) // stride):
        begin = stride * late // call * call
        if begin + call - 1 >= needed:
            return begin, late
    raise AssertionError


def _written_over(step: Step, joined: torch.Tensor, fact: Timed, place: int, start: int) -> torch.Tensor:
    """The frames with the copies written at ``place``, in the call that begins at the base frame ``start``."""
    axis, frames = fact.axis, len(fact.copied)
    sources = step.constant("copied", torch.tensor([place + frame for frame in fact.copied], device=step.device))
    due = call_at(step, fact, start)
    before, now, after = (
        aten.slice.Tensor(joined, axis, 0, place),
        joined.narrow(axis, place, frames),
        aten.slice.Tensor(joined, axis, place + frames),
    )
    written = torch.where(due, joined.index_select(axis, sources), now)
    return torch.cat([before, written, after] if place else [written, after], axis)


def call_at(step: Step, fact: Timed | Static, start: int) -> torch.Tensor:
    """True in the call that begins at the base frame ``start``, false later: bool, broadcasts against the value."""
    due = step.state(
        "due",
        kind="delay",
        shape=[size if mentions(size, step.captured.batch) else 1 for size in fact.shape],
        dtype=torch.bool,
        start=start,
        initial=torch.ones([1] * len(fact.shape)),
    )
    due.next = torch.zeros_like(due.value)
    return due.value
