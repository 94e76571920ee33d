"""Axes in words: ``batch,time,64`` for frames along the second axis, ``batch,time/512`` for one value in 512 frames."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from edgeseq.contract import Axis
from edgeseq.errors import UsageError
from edgeseq.runtime.adopting.signature import Value
from edgeseq.runtime.inputs import show

_TIME = re.compile(r"(?:([1-9][0-9]{0,8})\*)?time(?:/([1-9][0-9]{0,8}))?", re.ASCII)
_WORD = re.compile(r"(?:[1-9][0-9]{0,8}\*)?[A-Za-z_][A-Za-z0-9_]{0,99}", re.ASCII)
_SIZE = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
#: What those who make ONNX files call their axes; any other word says nothing to us.
BATCH = frozenset({"batch", "batch_size", "batchsize", "n_batch", "num_batch", "bs", "b"})
TIME = frozenset(
    {"time", "t", "times", "timesteps", "time_steps", "n_steps", "seq", "seq_len", "seqlen", "seq_length", "sequence"}
    | {"sequence_length", "sequence_len", "length", "frames", "n_frames", "num_frames", "samples", "n_samples"}
    | {"num_samples", "audio_len", "audio_length", "signal_length"}
)


@dataclass(frozen=True)
class Axes:
    """The axes of one tensor; ``ratio`` is that of the axis called ``time``, frames per base frame.

    ``fixed``: the size of the time axis in every call, where the graph fixes it.
    """

    shape: tuple[Axis, ...]
    ratio: Fraction = Fraction(1)
    fixed: int | None = None

    @property
    def time(self) -> int | None:
        """Where ``time`` is; None where there are no frames."""
        return self.shape.index("time") if "time" in self.shape else None

    def __str__(self) -> str:
        over, under = self.ratio.numerator, self.ratio.denominator
        time = (f"{over}*" if over > 1 else "") + "time" + (f"/{under}" if under > 1 else "")
        return ",".join(time if axis == "time" else str(axis) for axis in self.shape)


def parse_axes(name: str, text: object) -> Axes:
    """The axes that ``batch,time/512`` spells; UsageError for any other text."""
    words = [word.strip() for word in text.strip().strip("[]").split(",")] if isinstance(text, str) else ["?"]
    words = [] if words == [""] else words
    shape: list[Axis] = []
    ratio = Fraction(1)
    for word in words:
        if (match := _TIME.fullmatch(word)) is not None:
            shape.append("time")
            ratio = Fraction(int(match[1] or 1), int(match[2] or 1))
        elif _SIZE.fullmatch(word):
            shape.append(int(word))
        elif _WORD.fullmatch(word) and not word.endswith("capacity"):
            shape.append(word)
        else:
            raise _wrong(name, text, "sizes, words, and time, 4*time or time/512")
    if shape.count("time") > 1:
        raise _wrong(name, text, "time once")
    return Axes(tuple(shape), ratio)


def fitted(axes: Axes, value: Value) -> Axes:
    """Declared axes with the sizes that the graph fixes; UsageError where the two do not fit."""
    if len(axes.shape) != len(value.dims):
        raise _wrong(value.name, str(axes), f"as many axes as {value}")
    shape: list[Axis] = []
    fixed = None
    for axis, size in zip(axes.shape, value.dims, strict=True):
        if isinstance(axis, int) and isinstance(size, int) and axis != size:
            raise _wrong(value.name, str(axes), f"sizes as in {value}")
        if axis == "time" and isinstance(size, int):
            fixed = size
        shape.append(size if isinstance(size, int) and axis != "time" else axis)
    return Axes(tuple(shape), axes.ratio, fixed)


def told(value: Value) -> tuple[Axis | None, ...]:
    """The axes that the graph tells itself: sizes, ``batch`` and ``time`` where it calls them so; None for others."""
    return tuple(size if isinstance(size, int) else _word(size) for size in value.dims)


def _word(size: str | None) -> Axis | None:
    word = (size or "").lower()
    return "batch" if word in BATCH else "time" if word in TIME else None


def shown(shape: tuple[Axis | None, ...]) -> str:
    """Axes with a question mark where nothing is known."""
    return show(tuple("?" if axis is None else axis for axis in shape))


def _wrong(name: str, got: object, wanted: str) -> UsageError:
    return UsageError(f"bad axes of {name}", got=repr(got), wanted=wanted, do="example: batch,time,64")
