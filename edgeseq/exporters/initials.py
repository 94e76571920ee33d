"""Initial values of states that come from outside the step: from an input, or from the prologue."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from edgeseq.contract import Initial
from edgeseq.exporters.capture import Captured

aten = torch.ops.aten
#: Views that only add or drop axes of size one, or repeat them: the runtime does that when it writes the value.
_ONES_ONLY = (
    aten.unsqueeze.default,
    aten.squeeze.dim,
    aten.squeeze.dims,
    aten.clone.default,
    aten.alias.default,
    aten.detach.default,
)


def described(
    captured: Captured, given: Mapping[str, str], node: torch.fx.Node, part: int | None = None
) -> Initial | None:
    """The initial value that a node's value is: that of a port, untouched but for axes of size one, or an entry of it.

    ``given`` are the constants that the prologue computes, by node. ``part``: only this entry of the node's first axis.
    None where it is anything else.
    """
    source, index = node, None
    while source.name not in given and source.op == "call_function":
        picked = _entry(source)
        expanded = index is None and _is_repeated(captured, source)
        if source.target not in _ONES_ONLY and not expanded and (picked is None or index is not None):
            return None
        index = picked if index is None else index
        source = source.args[0]  # type: ignore[assignment]
    if part is not None and (index is not None or _first(captured, source) != _first(captured, node)):
        return None
    index = index if part is None else part
    if source.name in given:
        return Initial(kind="prologue", port=given[source.name], index=index)
    port = next((item.name for item in captured.inputs if item.placeholder == source.name), None)
    return None if port is None else Initial(kind="conditioning", port=port, index=index)


def _first(captured: Captured, node: torch.fx.Node) -> object:
    shape = captured.shape(node.meta["val"])
    return shape[0] if shape else None


def _is_repeated(captured: Captured, node: torch.fx.Node) -> bool:
    """Whether a node repeats axes of size one in place."""
    if node.target is not aten.expand.default:
        return False
    before = captured.shape(node.args[0].meta["val"])  # type: ignore[union-attr]
    return len(before) == len(captured.shape(node.meta["val"]))


def _entry(node: torch.fx.Node) -> int | None:
    """The entry of the first axis that a select or a slice of one keeps."""
    if node.target not in (aten.select.int, aten.slice.Tensor) or node.args[1] != 0:
        return None
    first = node.args[2]
    single = node.target is aten.select.int or node.args[2:] == (first, (first or 0) + 1)  # type: ignore[operator]
    return first if single and isinstance(first, int) and first >= 0 else None
