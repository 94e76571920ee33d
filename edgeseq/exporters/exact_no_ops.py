"""onnxscript takes ``x + 1e-8`` for ``x`` and ``x * 0.999995`` for ``x``: its rules match numbers within a tolerance.

The epsilon of a norm and the decay of a slow average are such numbers. While a program is translated, its rules that
leave an op out match 0 and 1 alone: by setting private fields of onnxscript, whose version is pinned, where they are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from onnxscript.rewriter.rules.common import _no_op

_TOLERANCES = ("_rel_tol", "_abs_tol")


@contextlib.contextmanager
def no_ops_alone() -> Iterator[None]:
    """While active, onnxscript leaves out ``x + 0`` and ``x * 1`` only where they are just that."""
    before = [(number, name, getattr(number, name)) for number in _numbers() for name in _TOLERANCES]
    try:
        for number, name, _ in before:
            setattr(number, name, 0.0)
        yield
    finally:
        for number, name, tolerance in before:
            setattr(number, name, tolerance)


def _numbers() -> list[Any]:
    """The numbers in the patterns of those rules."""
    patterns = [getattr(rule, "_target_pattern", ()) for rule in _no_op.rules.rules]
    operands = [operand for pattern in patterns for node in pattern for operand in node.inputs]
    return [operand for operand in operands if all(hasattr(operand, name) for name in _TOLERANCES)]
