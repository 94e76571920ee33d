"""Biases over keys that count from the end of time, as ALiBi's tables do: a softmax over keys does not see from where.

``slopes * (key - last)`` is another number for every length, yet the same for all keys of a query but for a constant,
which a softmax takes away. So it is computed as if the newest frame of the call were the last of all.
"""

from __future__ import annotations

from typing import Any

import torch

from edgeseq.exporters.grids import SHAPED
from edgeseq.exporters.known import MASKED
from edgeseq.exporters.step import Step
from edgeseq.exporters.symbols import mentions

aten = torch.ops.aten
_VIEWS = frozenset(
    [
        *(aten.unsqueeze.default, aten.expand.default, aten.slice.Tensor, aten.view.default, aten._unsafe_view.default),
        *(aten._to_copy.default, aten.clone.default, aten.alias.default, aten.detach.default, aten.permute.default),
    ]
)
_SOFTMAX = frozenset([aten.softmax.int, aten._softmax.default, aten._safe_softmax.default])
_SUMS = frozenset([aten.add.Tensor, aten.sub.Tensor, aten.masked_fill.Scalar])


def ends_in_softmax(step: Step, node: torch.fx.Node) -> bool:
    """True where all that is made of a value are sums and multiples, and a softmax over keys comes next."""
    users = [user for user in node.users if not _looks_at_shape(user, node)]
    return bool(users) and not step.is_output(node) and all(_takes_constants_away(step, user, node) for user in users)


def _looks_at_shape(user: torch.fx.Node, node: torch.fx.Node) -> bool:
    """True for what reads no value: an assertion of the capture, or a tensor of the same shape."""
    return user.meta.get("val") is None or (user.target in SHAPED and user.args[0] is node)


def _takes_constants_away(step: Step, user: torch.fx.Node, node: torch.fx.Node) -> bool:
    if user.target in _SOFTMAX:
        return mentions(step.captured.shape(user.meta["val"])[int(user.args[1])], step.captured.time)  # type: ignore[arg-type]
    if not user.meta["val"].is_floating_point():
        return False
    first = user.args[:1] == (node,)
    summed = user.target in _SUMS and (first or user.target is aten.add.Tensor) and not user.kwargs
    if user.target is aten.masked_fill.Scalar and not user.args[2] <= MASKED:  # type: ignore[operator]
        return False
    biasing = user.target is aten.baddbmm.default and first and not user.kwargs
    scaled = user.target in (aten.mul.Tensor, aten.div.Tensor) and _is_constant(step, user, node)
    return (summed or biasing or scaled or user.target in _VIEWS) and ends_in_softmax(step, user)


def _is_constant(step: Step, user: torch.fx.Node, node: torch.fx.Node) -> bool:
    """True where the other operand is a number, or of weights alone and the same for all frames."""
    if user.target is aten.div.Tensor and user.args[0] is not node:
        return False
    others: list[Any] = [operand for operand in user.args if operand is not node]
    return all(isinstance(other, (int, float)) or getattr(_fact(step, other), "constant", False) for other in others)


def _fact(step: Step, node: Any) -> Any:
    return step.found[node][1] if isinstance(node, torch.fx.Node) and node in step.found else None


def grows_evenly(table: torch.Tensor, axis: int) -> bool:
    """True where a table's entries grow by the same number along an axis, but for rounding."""
    steps = table.double().diff(dim=axis)
    first = steps.narrow(axis, 0, 1) if steps.shape[axis] else steps
    return bool(((steps - first).abs() <= 1e-5 * first.abs()).all())
