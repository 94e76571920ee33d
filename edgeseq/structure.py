"""What a model is made of: its modules, how each streams, and what a step of it costs. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Cost:
    """What one step of one stream costs, the shortest there is: a call of ``chunk.multiple`` base frames.

    ``multiply_adds`` are those of matrix products, convolutions, attention and recurrent layers; element by element
    work is not counted. ``weight_bytes`` and ``state_bytes`` are read. What has ``per_context`` in its name comes on
    top for every base frame that the caches hold.
    """

    multiply_adds: float = 0
    multiply_adds_per_context: float = 0
    weight_bytes: int = 0
    state_bytes: int = 0
    state_bytes_per_context: float = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    def __mul__(self, times: int) -> Cost:
        return Cost(*(getattr(self, name) * times for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Part:
    """One module of a model, as a line of a list in which the modules inside it follow, one ``depth`` further in.

    ``path`` is its name in the model, empty for the model itself, ``kind`` its class. ``how`` says in words how its own
    ops stream, those of modules inside it apart. ``ratio`` and ``delay`` are those of the frames that come out of it
    last, in their own count; None: nothing with frames. ``states`` are the names of its own, ``cost`` is its own too.
    ``alike`` modules in a row are one, with ``path`` as in ``layers.0-11``; then ``delay`` is that of the last,
    ``states`` are those of the first, and ``cost`` is that of each.
    """

    path: str
    kind: str
    depth: int
    alike: int
    how: str
    ratio: Fraction | None
    delay: int | None
    states: tuple[str, ...]
    cost: Cost

    @property
    def first(self) -> str:
        """The path of the module, or of the first of alike ones."""
        return self.path if self.alike == 1 else self.path.rpartition("-")[0]


def total(parts: Sequence[Part]) -> Cost:
    """The cost of a whole model, alike modules counted as often as they are there."""
    cost, times = Cost(), [1]
    for part in parts:
        del times[part.depth + 1 :]
        times.append(times[-1] * part.alike)
        cost += part.cost * times[-1]
    return cost
