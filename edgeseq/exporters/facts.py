"""What is known of a value: where time is in it, how often its frames come and how late. One fact per value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil
from typing import Any, NamedTuple

import torch

from edgeseq.contract import Length
from edgeseq.exporters.symbols import Shape, Size


class Place(NamedTuple):
    """Where time is in a shape: along ``axis``, whose size is ``outer * frames * inner``."""

    axis: int
    outer: Size = 1
    inner: Size = 1

    def at(self, axis: int) -> Place:
        """The same fold along another axis."""
        return Place(axis, self.outer, self.inner)


@dataclass(frozen=True)
class Head:
    """The first frames of a value when they are known at export (padding, and what becomes of padding).

    ``value`` has the value's shape with the batch at 1 and ``frames`` frames; None while a step graph is traced.
    """

    frames: int
    value: torch.Tensor | None


@dataclass(frozen=True)
class Static:
    """Depends on weights, constants, conditioning and the batch size only.

    ``constant``: on weights and constants only, so its value is computed once, at export. ``conditioned``: on an input,
    so the rows of a batch may differ.
    """

    shape: Shape
    constant: bool = False
    conditioned: bool = False

    def __str__(self) -> str:
        return f"Static{list(self.shape)}"


@dataclass(frozen=True)
class Timed:
    """Frames along ``axis``, whose size in a call is ``outer * frames * inner``.

    Frame ``j`` of the whole sequence stands at place ``j + delay`` of the stream of frames this value yields; a
    negative delay is a lead. Frames before ``len(head)`` are in ``head``; the places before ``delay + len(head)`` hold
    nothing real. ``length`` counts the whole sequence's frames; its ratio is frames per base frame.

    ``uniform``: every frame is equal, so the value has any delay one likes. ``rowed``: the tensor has one more axis in
    front, a row per stream (positions). ``position``: the value is ``scale * frame index + offset``.
    ``reads``: the first and the last base frame that a frame depends on, counted from its own; None: all of the past.
    ``copied``: the first frames are not in the stream either; they are copies of these (``edgeseq.exporters.copies``).
    """

    shape: Shape
    axis: int
    delay: int
    length: Length
    outer: Size = 1
    inner: Size = 1
    head: Head | None = field(default=None, compare=False)
    uniform: bool = False
    rowed: bool = False
    position: tuple[int, int] | None = None
    reads: tuple[Fraction, Fraction] | None = field(default=(Fraction(0), Fraction(0)), compare=False)
    copied: tuple[int, ...] = ()

    @property
    def ratio(self) -> Fraction:
        """Frames per base frame."""
        return self.length.ratio

    @property
    def place(self) -> Place:
        """Where time is in the shape."""
        return Place(self.axis, self.outer, self.inner)

    @property
    def head_frames(self) -> int:
        """Frames that are known at export and not in the stream."""
        return self.head.frames if self.head is not None else 0

    @property
    def folded(self) -> bool:
        """True when the time axis is shared with another axis."""
        return self.outer != 1 or self.inner != 1

    @property
    def late_frames(self) -> int:
        """Base frames that must follow the last real one before the whole value has come: most, over all lengths."""
        length, known = self.length, [rest for rest, offset in enumerate(self.length.at) if offset is not None]
        needed = [ceil((Fraction(length.at[rest] or 0) + self.delay) / self.ratio) - rest for rest in known]
        return max(0, *needed)

    def certain_delay(self, multiple: int) -> int:
        """The least delay at which no frame is given that may lie past the end, for calls of ``multiple`` frames."""
        offsets = [(rest - rest % multiple, offset) for rest, offset in enumerate(self.length.at) if offset is not None]
        return max(0, *(int(self.ratio * fed) - offset for fed, offset in offsets))

    def shifted(self, frames: int) -> tuple[Fraction, Fraction] | None:
        """``reads`` when frame ``j`` becomes frame ``j - frames``."""
        return self.reads and (self.reads[0] + frames / self.ratio, self.reads[1] + frames / self.ratio)

    def with_(self, **changes: object) -> Timed:
        """This fact with some fields replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def __str__(self) -> str:
        fold = f", outer={self.outer}, inner={self.inner}" if self.folded else ""
        head = f", head={self.head_frames}" if self.head else ""
        return f"Timed(axis={self.axis}, ratio={self.ratio}, delay={self.delay}{fold}{head})"


@dataclass(frozen=True)
class Summary:
    """Depends on all frames so far and has no frame axis: a mean, the last step, a final state, the length itself.

    ``delay``: base frames that must follow the last real one before it is final. ``known``: it depends on the first
    frames alone and is final once so many base frames have come (None: on all of them).
    """

    shape: Shape
    delay: int = 0
    known: int | None = None

    def with_shape(self, shape: Shape) -> Summary:
        """The same of a value of another shape."""
        return replace(self, shape=shape)

    def __str__(self) -> str:
        return f"Summary(delay={self.delay})"


@dataclass(frozen=True)
class Scalar:
    """A number that the model computed from sizes. It is looked up where it is used, never replayed."""

    size: Size

    def __str__(self) -> str:
        return f"Scalar({self.size})"


@dataclass(frozen=True)
class Reach:
    """Which keys a query reads: the last ``window`` frames up to its own (None: all so far), ``ahead`` frames after it.

    ``block``: frames come in blocks of so many, and those of one block read each other.
    """

    window: int | None = None
    ahead: int = 0
    block: int = 1


@dataclass(frozen=True)
class Keys:
    """The frames that a past axis ranges over in a call, their delay, and how far the queries that meet them reach.

    Queries come ``lag`` frames later than keys: ``reach.ahead``, rounded up so that both start on whole calls.
    """

    length: Length
    delay: int
    reach: Reach
    lag: int = 0

    @property
    def history(self) -> int | None:
        """Frames of earlier calls that are read; None: all."""
        return None if self.reach.window is None else self.reach.window - 1 + self.lag


@dataclass(frozen=True)
class Pairs:
    """Frames meet frames: queries along ``axis``, one per frame of the call, keys along ``past``.

    ``delay`` and ``length`` are the queries'. ``known``: where the whole value is masked, zero or one whatever the
    input, at the pairs of a sample sequence (:mod:`edgeseq.exporters.known`). ``origins`` names the nodes at which
    frames first met, which decide how long keys are kept.
    """

    shape: Shape
    axis: int
    past: int
    delay: int
    length: Length
    keys: Keys
    known: Any = field(default=(), compare=False)
    origins: frozenset[str] = field(default=frozenset(), compare=False)

    @property
    def ratio(self) -> Fraction:
        """Frames per base frame, of queries and keys alike."""
        return self.length.ratio

    def with_(self, **changes: object) -> Pairs:
        """This fact with some fields replaced."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def __str__(self) -> str:
        return f"Pairs(axis={self.axis}, past={self.past}, ratio={self.ratio}, delay={self.delay})"


@dataclass(frozen=True)
class Grid:
    """A value over pairs of frames that no input enters, as a mask is: computed where it meets the stream."""

    shape: Shape

    def __str__(self) -> str:
        return f"Grid{list(self.shape)}"


Fact = Static | Timed | Summary | Scalar | Pairs | Grid


class Facts(tuple[Any, ...]):
    """The facts of a call's arguments, as a rule gets them.

    ``facts[0]`` is that of the first positional argument; ``facts["weight"]`` that of an argument by its name in the
    op's schema, given by position or by keyword. Lists stay lists; None stands for a plain number.
    """

    _named: Mapping[str, Any]

    def __new__(cls, positional: Iterable[Any], named: Mapping[str, Any]) -> Facts:
        """Facts parallel to the positional arguments, and of all arguments by name."""
        facts = super().__new__(cls, positional)
        facts._named = named
        return facts

    def replaced(self, node: Any, positional: Iterable[Any]) -> Facts:
        """Other facts of the positional arguments of a captured call."""
        new, names = list(positional), [argument.name for argument in node.target._schema.arguments]
        return Facts(new, {**self._named, **dict(zip(names, new, strict=False))})

    def __getitem__(self, key: Any) -> Any:
        return self._named.get(key) if isinstance(key, str) else super().__getitem__(key)
