"""Sizes whose formula grows with every layer stop a capture: torch computes with it at every op.

A size that is padded by ``K - (P + T % K) % K`` and then cut into segments of K is a quotient of a remainder of a
remainder. Views of views multiply such formulas, until an op takes minutes.
"""

from __future__ import annotations

from typing import Any

import sympy
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from edgeseq.errors import CaptureError

#: Operations in the formula of one size; chains of strided layers with rounded lengths come to 40.
_LONGEST = 100


class SizesKeptShort(TorchFunctionMode):
    """While active, a function that returns a tensor with a size of a longer formula raises CaptureError."""

    def __init__(self) -> None:
        super().__init__()
        self._known: set[sympy.Expr] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None) -> Any:
        """Call the function, and look at the sizes of what it returns."""
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, torch.Tensor):
                self._check(value)
        return result

    def _check(self, value: torch.Tensor) -> None:
        sizes: Any = value.shape
        for size in sizes:
            if isinstance(size, torch.SymInt) and size.node.expr not in self._known:
                self._known.add(size.node.expr)
                if size.node.expr.count_ops() > _LONGEST:
                    raise CaptureError(
                        "cannot capture the model: the formula of a size grows with every layer",
                        why="it rounds the length of time again and again, as by the remainder of a remainder",
                        do="pad once, and cut segments with one Tensor.unfold in place of views of views",
                    )
