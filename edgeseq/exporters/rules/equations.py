"""Einsum equations with every label spelled out: ``...`` and a result left out are written in letters."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_letters
from typing import NamedTuple


class Equation(NamedTuple):
    """The labels of every operand and of the result."""

    terms: tuple[str, ...]
    output: str

    def __str__(self) -> str:
        return f"{','.join(self.terms)}->{self.output}"


def spelled(equation: str, ranks: Sequence[int]) -> Equation:
    """The equation of operands with so many axes each. Axes behind ``...`` are aligned from the last, as torch does."""
    given, arrow, output = equation.replace(" ", "").partition("->")
    terms = given.split(",")
    hidden = [rank - len(term) + 3 if "..." in term else 0 for term, rank in zip(terms, ranks, strict=True)]
    free = "".join(letter for letter in ascii_letters if letter not in equation)[: max(hidden)]
    if not arrow:
        named = given.replace(",", "").replace(".", "")
        output = "..." * any(hidden) + "".join(sorted(label for label in {*named} if named.count(label) == 1))
    found = [term.replace("...", free[len(free) - count :]) for term, count in zip(terms, hidden, strict=True)]
    return Equation(tuple(found), output.replace("...", free))
