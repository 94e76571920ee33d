"""Arithmetic on the symbolic sizes of a captured graph.

A size is an ``int`` or a sympy expression over the symbols of the capture: one for time, one for the batch, one for
each further named axis.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, TypeAlias

import sympy
import torch
from torch.utils._sympy.functions import (
    CeilToInt,
    CleanDiv,
    FloatTrueDiv,
    FloorDiv,
    FloorToInt,
    IntTrueDiv,
    Max,
    Min,
    Mod,
    PythonMod,
    ToFloat,
    TruncToInt,
)

from edgeseq.contract import Length

Size: TypeAlias = int | sympy.Expr
Shape: TypeAlias = tuple[Size, ...]
_ROUNDED: dict[type, Callable[[float], float]] = {
    TruncToInt: math.trunc,
    FloorToInt: math.floor,
    CeilToInt: math.ceil,
    ToFloat: float,
}
_LARGEST_PERIOD = 4096
#: Sizes whose simplest form and whose length are remembered: a step meets the same few again and again.
_REMEMBERED = 2**14


def size_of(value: Any) -> Size:
    """The expression behind an ``int`` or ``SymInt``."""
    if isinstance(value, torch.SymInt):
        expression = value.node.expr
        return int(expression) if expression.is_Integer else expression
    return int(value)


def mentions(size: Size, symbol: sympy.Symbol | None) -> bool:
    """True when the size depends on the symbol."""
    return symbol is not None and isinstance(size, sympy.Expr) and symbol in size.free_symbols


@functools.lru_cache(maxsize=_REMEMBERED, typed=True)
def simplest(size: Any) -> Size:
    """An ``int`` where the expression is a number, the expanded expression elsewhere."""
    if isinstance(size, int):
        return size
    size = sympy.expand(_divided(size))
    return int(size) if size.is_Integer else size


def _divided(size: Any) -> Any:
    """The size with divisions by symbols carried out: ``(T**2) // T``, as a layer over pairs of frames leaves, is T."""
    for part in size.atoms(FloorDiv, CleanDiv) if isinstance(size, sympy.Expr) else ():
        if part.args[1].free_symbols:
            whole = sympy.cancel(part.args[0] / part.args[1])
            size = size.xreplace({part: whole}) if whole.is_polynomial() else size
    return size


def product(sizes: Shape) -> Size:
    """The product of some sizes; 1 for none."""
    result: Size = 1
    for size in sizes:
        result = result * size
    return simplest(result)


def quotient(size: Size, divisor: Size) -> Size | Fraction | None:
    """``size / divisor`` where that is a polynomial or a plain fraction, else None."""
    if isinstance(size, int) and isinstance(divisor, int):
        exact = Fraction(size, divisor)
        return int(exact) if exact.denominator == 1 else exact
    ratio = sympy.cancel(sympy.sympify(size) / sympy.sympify(divisor))
    if ratio.is_Integer:
        return int(ratio)
    if ratio.is_Rational:
        return Fraction(int(ratio.p), int(ratio.q))
    return ratio if sympy.denom(ratio) == 1 else None


def evaluate(size: Size, values: Mapping[sympy.Expr, Any]) -> Any:
    """The size with its symbols replaced: by ints, ``SymInt`` or integer tensors, whose arithmetic it then uses.

    ``values`` may hold the value of a whole expression too.
    """
    if isinstance(size, int):
        return size
    if isinstance(size, sympy.Symbol) or size in values:
        return values[size]
    if size.is_Integer:
        return int(size)
    if size.is_Float:
        return float(size)
    parts = [evaluate(part, values) for part in size.args]
    if isinstance(size, sympy.Add):
        return sum(parts[1:], parts[0])
    if isinstance(size, sympy.Mul):
        return math.prod(parts[1:], start=parts[0])
    if isinstance(size, (FloorDiv, CleanDiv)):
        return parts[0] // parts[1]
    if isinstance(size, (Mod, PythonMod, sympy.Mod)):
        return parts[0] % parts[1]
    if isinstance(size, sympy.Pow) and isinstance(parts[1], int) and parts[1] >= 0:
        return math.prod([parts[0]] * parts[1])
    if isinstance(size, tuple(_ROUNDED)):
        return next(function for kind, function in _ROUNDED.items() if isinstance(size, kind))(parts[0])
    if isinstance(size, (IntTrueDiv, FloatTrueDiv)):
        return parts[0] / parts[1]
    if isinstance(size, (Max, sympy.Max)):
        return max(parts)
    if isinstance(size, (Min, sympy.Min)):
        return min(parts)
    raise ValueError(f"cannot evaluate the size {size}")


@functools.lru_cache(maxsize=_REMEMBERED, typed=True)
def affine_length(size: Size, time: sympy.Symbol) -> Length | None:
    """The size as a length that grows by ``frames`` every ``period`` frames; None where it does not grow so.

    Floor divisions make the offset depend on T modulo the period: ``(T + 1) // 2`` has period 2, offsets 0 and 1.
    """
    if isinstance(size, int) or not mentions(size, time) or size.free_symbols != {time}:
        return None
    period = _period(size)

    def at(t: int) -> int:
        return int(evaluate(size, {time: t}))

    far = 4096 * period
    frames = at(far + period) - at(far)
    offsets = tuple(at(far + rest) - 4096 * frames for rest in range(period))
    probes = (1024 * period, 7919 * period)
    if frames < 1 or any(at(p + r) != p // period * frames + offsets[r] for p in probes for r in range(period)):
        return None
    return Length(period=period, frames=frames, at=offsets)


def _period(size: sympy.Basic) -> int:
    """Frames after which the rounding of a size repeats: a floor within a floor multiplies."""
    if size.is_Float:
        return Fraction(float(size)).limit_denominator(_LARGEST_PERIOD).denominator
    inner = math.lcm(1, *(_period(part) for part in size.args))
    return inner * int(size.args[1]) if _divides(size) else inner


def _divides(part: sympy.Basic) -> bool:
    divisions = (FloorDiv, CleanDiv, Mod, PythonMod, sympy.Mod, IntTrueDiv)
    return isinstance(part, divisions) and bool(part.args[1].is_Integer)
