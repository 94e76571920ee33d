"""``torch``'s ``associative_scan``, captured as a ``scan``.

Its own form halves the frames again and again, which fixes their number in a capture. Frame after frame gives the same:
``y[t] = combine(y[t - 1], x[t])``.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch._higher_order_ops.scan import scan
from torch.utils._pytree import tree_leaves

Tensors = list[torch.Tensor]
#: Named as the function that it holds, which hides it from an import statement.
_MODULE: Any = importlib.import_module("torch._higher_order_ops.associative_scan")


@contextlib.contextmanager
def scanned_in_turn() -> Iterator[None]:
    """While active, ``associative_scan`` goes from frame to frame where it would combine all pairs at once."""
    original = _MODULE.generic_associative_scan
    _MODULE.generic_associative_scan = frame_by_frame
    try:
        yield
    finally:
        _MODULE.generic_associative_scan = original


def frame_by_frame(combine: Any, leaves: Tensors, **_: Any) -> Tensors:
    """What torch's ``generic_associative_scan`` returns: the leaves combined along axis 0, up to each frame.

    What ``combine`` makes of the zeros before the first frame is not used: that frame is taken as it is.
    """
    of_frames = _of_frames(combine)
    count: Any = leaves[0].shape[0]
    if not isinstance(count, torch.SymInt):
        return _unrolled(of_frames, leaves)

    def turn(carried: tuple[torch.Tensor, Tensors], frame: Tensors) -> tuple[Any, Tensors]:
        begun, before = carried
        both = tree_leaves(of_frames(*before, *frame))
        new = [torch.where(begun, one, own) for one, own in zip(both, frame, strict=True)]
        return (torch.ones_like(begun), new), [value.clone() for value in new]

    none = torch.zeros([1], dtype=torch.bool, device=leaves[0].device)
    return list(scan(turn, (none, [leaf.new_zeros(leaf.shape[1:]) for leaf in leaves]), leaves)[1])


def _unrolled(of_frames: Callable[..., Any], leaves: Tensors) -> Tensors:
    made = [[leaf[0] for leaf in leaves]]
    for place in range(1, leaves[0].shape[0]):
        made.append(tree_leaves(of_frames(*made[-1], *[leaf[place] for leaf in leaves])))
    return [torch.stack(parts) for parts in zip(*made, strict=True)]


def _of_frames(combine: Any) -> Callable[..., Any]:
    """The user's function of two frames, where ``combine`` takes many pairs of them at once, by ``torch.vmap``."""
    own = inspect.getclosurevars(combine.keywords["combine_fn"]).nonlocals["func"]
    return functools.partial(combine.func, **{**combine.keywords, "combine_fn": own})
