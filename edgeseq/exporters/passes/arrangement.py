"""What a chain of transpositions and reshapes does to axes, and the fewest nodes that do it.

Axes are taken apart into atoms, the pieces that a chain moves as wholes. ``[time, batch, 96]`` seen as ``[batch, time,
3, 32]`` has the source ``(0)(1)(2 3)`` and the target ``(1)(0)(2)(3)``. An axis of size one has no atoms.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, TypeAlias

import onnx_ir as ir
import sympy

from edgeseq.exporters.symbols import Size, product, quotient, simplest

Groups: TypeAlias = tuple[tuple[int, ...], ...]
#: An op and what it is given beside its operand: axes, or sizes.
Move: TypeAlias = tuple[str, tuple[int, ...]]


@dataclass(frozen=True)
class Arrangement:
    """The axes of a source and of what is made of it, as groups of atoms; ``sizes`` holds a size per atom."""

    source: Groups
    target: Groups
    sizes: tuple[Size, ...]

    @property
    def kept(self) -> bool:
        """True where the target is the source."""
        return self.source == self.target

    def shape(self, groups: Iterable[Iterable[int]]) -> tuple[Size, ...]:
        """The sizes of axes that hold these atoms."""
        return tuple(product(tuple(self.sizes[atom] for atom in group)) for group in groups)

    def transposed(self, places: Sequence[int]) -> Arrangement:
        """The target with its axes in another order."""
        return _arranged(self.source, tuple(self.target[place] for place in places), self.sizes)

    def reshaped(self, shape: Sequence[Size]) -> Arrangement | None:
        """The target in row-major order as another shape; None where the atoms cannot be matched with it."""
        waiting = [(atom,) for group in self.target for atom in group]
        sizes = list(self.sizes)
        parts: dict[int, tuple[int, ...]] = {atom: (atom,) for atom in range(len(sizes))}
        target = []
        for wanted in shape:
            group: list[int] = []
            while wanted != 1:
                if not waiting:
                    return None
                (atom,) = waiting.pop(0)
                rest = _whole(wanted, sizes[atom])
                if rest is None:
                    more = _whole(sizes[atom], wanted)
                    if more is None:
                        return None
                    waiting.insert(0, (len(sizes),))
                    parts = _split(parts, atom, len(sizes))
                    sizes[atom : atom + 1], rest = [wanted], 1
                    sizes.append(more)
                group.append(atom)
                wanted = rest
            target.append(tuple(group))
        source = tuple(tuple(part for atom in group for part in parts[atom]) for group in self.source)
        return None if waiting else _arranged(source, tuple(target), tuple(sizes))

    def without(self, axis: int) -> tuple[int, Arrangement] | None:
        """One entry of a target axis: the source axis to split, in whose parts it is a whole, and what is left.

        None where the entries of the axis do not lie together in the source.
        """
        if len(self.target[axis]) != 1:
            return None
        (atom,) = self.target[axis]
        place = next(place for place, group in enumerate(self.source) if atom in group)
        if self.source[place][0] != atom:
            return None
        source = tuple(tuple(other for other in group if other != atom) for group in self.source)
        return place, _arranged(source, self.target[:axis] + self.target[axis + 1 :], self.sizes)

    @property
    def keeps_last(self) -> bool:
        """True where the last axis is the source's last."""
        return bool(self.source and self.target and self.source[-1]) and self.source[-1] == self.target[-1]

    def with_last(self, size: Size) -> Arrangement:
        """The same for a last axis of another size, where that is kept."""
        last = () if size == 1 else (len(self.sizes),)
        return _arranged((*self.source[:-1], last), (*self.target[:-1], last), (*self.sizes, size))

    def moves(self) -> list[Move] | None:
        """The fewest ops that make the target of the source; None where a reshape would need sizes of the call."""
        if _flat(self.source) == _flat(self.target):
            return self._regrouped(self.source, self.target)
        found = [moves for moves in map(self._by_way_of, self._ways()) if moves is not None]
        return min(found, key=len, default=None)

    def _ways(self) -> list[Groups]:
        """The axes that may be transposed: the target's, the source's, or runs that both have."""
        apart, together = _flat(self.source), _flat(self.target)
        ways = [tuple(group for group in self.target if group), self.source]
        return [*(way for way in ways if _runs_in(way, apart) and _runs_in(way, together)), _runs(apart, together)]

    def _by_way_of(self, way: Groups) -> list[Move] | None:
        apart, together = _flat(self.source), _flat(self.target)
        before = way if way == self.source else tuple(sorted((g for g in way if g), key=lambda g: apart.index(g[0])))
        after = _ordered(before, self.target, together)
        first = self._regrouped(self.source, before)
        last = self._regrouped(tuple(before[place] for place in after), self.target)
        if first is None or last is None:
            return None
        return [*first, ("Transpose", after), *last]

    def _regrouped(self, source: Groups, target: Groups) -> list[Move] | None:
        """The ops between two groupings of atoms in the same order."""
        if source == target:
            return []
        ones = _ones(source, target)
        if ones is not None and len(ones) == 1:
            return ones
        old, new = self.shape(source), self.shape(target)
        sizes = [
            int(size) if isinstance(size, int) else 0 if old[place : place + 1] == (size,) else -1
            for place, size in enumerate(new)
        ]
        return ones if sizes.count(-1) > 1 else [("Reshape", tuple(sizes))]


def identity(shape: Sequence[Size]) -> Arrangement:
    """Every axis as it is."""
    groups = tuple(() if size == 1 else (place,) for place, size in enumerate(shape))
    return _arranged(groups, groups, tuple(shape))


def shape_of(value: ir.Value | None) -> tuple[Size, ...] | None:
    """The sizes of a value, expressions where they are symbolic; None where one is unknown."""
    if value is None or value.shape is None:
        return None
    sizes = [size if isinstance(size, int) else size.value for size in value.shape]
    known = [size if isinstance(size, int) else _size(size) for size in sizes if size is not None]
    return tuple(known) if len(known) == len(sizes) and 0 not in known else None


@lru_cache(maxsize=4096)
def _size(text: str) -> Size:
    """The expression that a symbolic size is named by; equal names are equal sizes."""
    names = {name: sympy.Symbol(name, positive=True, integer=True) for name in re.findall(r"[A-Za-z_]\w*", text)}
    if re.search(r"[^\w\s+*()-]|\w\(|\*\*", text):
        return sympy.Symbol(text, positive=True, integer=True)
    found: Any = sympy.sympify(text, locals=names)
    return simplest(found)


def _whole(size: Size, divisor: Size) -> Size | None:
    found = quotient(size, divisor)
    if isinstance(found, int):
        return found
    return found if isinstance(found, sympy.Expr) else None


def _split(parts: dict[int, tuple[int, ...]], atom: int, new: int) -> dict[int, tuple[int, ...]]:
    """``new`` behind ``atom`` in whatever that is a part of."""
    return {
        whole: tuple(piece for part in held for piece in ((part, new) if part == atom else (part,)))
        for whole, held in parts.items()
    }


def _arranged(source: Groups, target: Groups, sizes: Sequence[Size]) -> Arrangement:
    """Atoms that stay together in both become one, and all are numbered as the source has them."""
    runs = _runs_of(source, target)
    numbers = {run[0]: number for number, run in enumerate(runs)}
    joined = tuple(product(tuple(sizes[atom] for atom in run)) for run in runs)
    source, target = (
        tuple(tuple(numbers[atom] for atom in group if atom in numbers) for group in groups)
        for groups in (source, target)
    )
    return Arrangement(source, target, joined)


def _runs_of(source: Groups, target: Groups) -> list[tuple[int, ...]]:
    follows = {pair for group in target for pair in pairwise(group)}
    runs: list[tuple[int, ...]] = []
    for group in source:
        for place, atom in enumerate(group):
            if place and (group[place - 1], atom) in follows:
                runs[-1] += (atom,)
            else:
                runs.append((atom,))
    return runs


def _runs(apart: Sequence[int], together: Sequence[int]) -> Groups:
    """The longest runs of atoms that follow each other in both orders."""
    return tuple(_runs_of((tuple(apart),), (tuple(together),)))


def _flat(groups: Groups) -> tuple[int, ...]:
    return tuple(atom for group in groups for atom in group)


def _runs_in(groups: Groups, order: tuple[int, ...]) -> bool:
    """True where the atoms of every group follow each other in ``order``."""
    firsts = ((group, order.index(group[0])) for group in groups if group)
    return all(order[first : first + len(group)] == group for group, first in firsts)


def _ordered(before: Groups, target: Groups, together: tuple[int, ...]) -> tuple[int, ...]:
    """The places of ``before`` in the target's order; axes of size one where the target has such, the others last."""
    filled = sorted((p for p, group in enumerate(before) if group), key=lambda p: together.index(before[p][0]))
    ones = [place for place, group in enumerate(before) if not group]
    order: list[int] = []
    for group in target:
        if not group and ones:
            order.append(ones.pop(0))
        while filled and group and together.index(before[filled[0]][0]) <= together.index(group[-1]):
            order.append(filled.pop(0))
    return (*order, *ones)


def _ones(source: Groups, target: Groups) -> list[Move] | None:
    """The ops that drop and add axes of size one; None where anything else differs."""
    if [group for group in source if group] != [group for group in target if group]:
        return None
    dropped, added = _surplus(source, target), _surplus(target, source)
    moves: list[Move] = [("Squeeze", dropped)] if dropped else []
    return [*moves, ("Unsqueeze", added)] if added else moves


def _surplus(groups: Groups, other: Groups) -> tuple[int, ...]:
    """The places of axes of size one that ``other`` has fewer of, between the same two axes with atoms."""
    have, left = _gaps(groups), [len(gap) for gap in _gaps(other)]
    return tuple(place for gap, keep in zip(have, left, strict=True) for place in gap[keep:])


def _gaps(groups: Groups) -> list[list[int]]:
    gaps: list[list[int]] = [[]]
    for place, group in enumerate(groups):
        if group:
            gaps.append([])
        else:
            gaps[-1].append(place)
    return gaps
