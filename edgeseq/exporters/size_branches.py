"""Comparisons of tensors that are made of sizes and constants alone, answered while a model is captured.

``nn.TransformerEncoder`` asks whether its mask is the causal one: ``bool((mask == causal).all())``. torch takes that
for a branch on data. The graph that led there is walked back and computed, at a few sizes from 2 to 2,000: where all
agree, that is the answer; a branch that turns only beyond is the long run's to find.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch.fx.experimental.proxy_tensor import get_proxy_mode, get_proxy_slot
from torch.utils._python_dispatch import _disable_current_modes

_aten = torch.ops.aten
_SIZES = (2, 7, 12, 300, 2000)


def truth_of_sizes(tensor: torch.Tensor) -> bool | None:
    """The truth of a tensor that depends on sizes only; None where it depends on data, or on how large they are."""
    node = _node_of(tensor)
    if node is None or not _compares(node):
        return None
    with torch._C.DisableTorchFunction(), _disable_current_modes():
        found = {_computed(node, size) for size in _SIZES}
    return found.pop() if len(found) == 1 else None


def _node_of(tensor: torch.Tensor) -> torch.fx.Node | None:
    mode = get_proxy_mode()
    if mode is None:
        return None
    slot: Any = get_proxy_slot(tensor, mode.tracer, None)
    return None if slot is None else slot.proxy.node


def _compares(node: torch.fx.Node) -> bool:
    """True for ``(a == b).all()``, where nothing that it is made of is written to beside it."""
    if node.target is not _aten.all.default or node.args[0].target is not _aten.eq.Tensor:  # type: ignore[union-attr]
        return False
    made = set(_before(node))
    others = [written for written in node.graph.nodes if _writes(written) and written not in made]
    return not any(made & set(_before(written)) for written in others)


def _before(node: torch.fx.Node) -> Iterator[torch.fx.Node]:
    """The node and all tensors that it is made of."""
    waiting, seen = [node], set()
    while waiting:
        current = waiting.pop()
        if current not in seen and not isinstance(current.meta.get("val"), torch.SymInt):
            seen.add(current)
            yield current
            waiting.extend(current.all_input_nodes)


def _writes(node: torch.fx.Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and schema.is_mutable


def _computed(node: torch.fx.Node, size: int) -> bool | None:
    values: dict[torch.fx.Node, Any] = {}
    waiting = [node]
    while waiting:
        current = waiting[-1]
        if isinstance(current.meta.get("val"), torch.SymInt):
            values[waiting.pop()] = _plain(current.meta["val"], size)
            continue
        if current.op != "call_function" or _draws(current):
            return None
        missing = [source for source in current.all_input_nodes if source not in values]
        if missing:
            waiting.extend(missing)
            continue
        args: Any = torch.fx.node.map_arg(current.args, values.__getitem__)
        kwargs: Any = torch.fx.node.map_arg(current.kwargs, values.__getitem__)
        op: Any = current.target
        values[waiting.pop()] = op(*args, **kwargs)
    return bool(values[node])


def _plain(value: torch.SymInt, size: int) -> int:
    expression = value.node.expr
    return int(expression.xreplace(dict.fromkeys(expression.free_symbols, size)))


def _draws(node: torch.fx.Node) -> bool:
    return torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())
