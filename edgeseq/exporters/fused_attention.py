"""Causal attention written by hand becomes the one op that has a cache of its own.

``softmax(q k^T * s + mask) v`` streams by a rule per op; where the mask is the causal one and nothing else, the fused
op computes the same in one node instead of thirty. What a mask is, its values say, not how it is written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from edgeseq.exporters.capture import Captured
from edgeseq.exporters.emitter import Emitter, rewritten, with_own_graph
from edgeseq.exporters.grids import Grids
from edgeseq.exporters.known import MASKED

aten = torch.ops.aten
_PRODUCTS = (aten.matmul.default, aten.bmm.default)
_SAME = (aten.clone.default, aten.alias.default, aten.detach.default)


@dataclass
class Scores:
    """What becomes of ``q k^T`` on its way into a softmax: a factor, and the masks over it."""

    factor: float = 1.0
    kept: list[torch.Tensor] = field(default_factory=list)
    masks: list[tuple[str, torch.fx.Node]] = field(default_factory=list)


def with_fused_attention(captured: Captured) -> Captured:
    """The captured model with hand-written causal attention as ``scaled_dot_product_attention``."""
    if not any(node.target is aten.softmax.int for node in captured.graph.nodes):
        return captured
    captured = with_own_graph(captured)
    replaced = {}
    for node in list(captured.graph.nodes):
        found = _attention(captured.grids, node) if node.target in _PRODUCTS else None
        if found is not None:
            product, scores = found
            replaced[node] = _fused(Emitter(captured, node, {}), product, node.args[1], scores)
            node.replace_all_uses_with(replaced[node])
    return rewritten(captured, replaced) if replaced else captured


def _fused(emit: Emitter, product: torch.fx.Node, values: Any, scores: Scores) -> torch.fx.Node:
    """The fused op with the masks themselves: its rule looks at them at frames near and far."""
    query, key = product.args[-2:]
    turned = _turned_back(key)
    keys = turned if turned is not None else emit(aten.transpose.int, key, -2, -1)
    mask = _mask(emit, scores.masks, product.meta["val"].dtype)
    attend = aten.scaled_dot_product_attention.default
    return emit(attend, query, keys, values, mask, 0.0, False, scale=scores.factor)


def _mask(emit: Emitter, masks: list[tuple[str, torch.fx.Node]], dtype: torch.dtype) -> torch.fx.Node:
    """One mask to be added: zero where every mask keeps, minus infinity elsewhere."""
    total: torch.fx.Node | None = None
    for kind, mask in masks:
        added = mask
        if kind != "added":
            chosen = mask if mask.meta["val"].dtype is torch.bool else emit(aten.ne.Scalar, mask, 0)
            dropped = chosen if kind == "dropped" else emit(aten.logical_not.default, chosen)
            zeros = emit(aten.zeros_like.default, dropped, dtype=dtype)
            added = emit(aten.masked_fill.Scalar, zeros, dropped, float("-inf"))
        total = added if total is None else emit(aten.add.Tensor, total, added)
    assert total is not None
    return total


def _turned_back(key: Any) -> torch.fx.Node | None:
    """What a transposition of the last two axes was made of."""
    if key.target is not aten.transpose.int:
        return None
    rank = key.meta["val"].dim()
    swapped = {int(axis) % rank for axis in key.args[1:]} == {rank - 2, rank - 1}
    return key.args[0] if swapped else None


def _attention(grids: Grids, node: torch.fx.Node) -> tuple[torch.fx.Node, Scores] | None:
    """The product of queries and keys whose softmax, causal and nothing else, the node multiplies with values."""
    weights = _through(node.args[0])
    if weights.target is not aten.softmax.int or not _alone(weights):
        return None
    value = weights.meta["val"]
    if weights.args[1] not in (-1, value.dim() - 1) or value.dim() not in (3, 4):
        return None
    scores = Scores()
    product = _product(grids, weights.args[0], scores)
    if product is None or not scores.kept or not _over_time(grids, product, node.args[1]):
        return None
    kept = scores.kept[0]
    for other in scores.kept[1:]:
        kept = kept & other
    causal = torch.ones(kept.shape[-2:], dtype=torch.bool).tril()
    return (product, scores) if bool((kept == causal).all()) else None


def _over_time(grids: Grids, product: torch.fx.Node, values: Any) -> bool:
    """True where queries, keys and values are of equal rank and both frame axes are time."""
    ranks = {node.meta["val"].dim() for node in (*product.args[-2:], values)}
    return len(ranks) == 1 and all(grids.is_time(size) for size in product.meta["val"].shape[-2:])


def _through(node: Any) -> torch.fx.Node:
    while node.target in _SAME and _alone(node):
        node = node.args[0]
    assert isinstance(node, torch.fx.Node)
    return node


def _alone(node: torch.fx.Node) -> bool:
    return len(node.users) == 1


def _product(grids: Grids, node: Any, scores: Scores) -> torch.fx.Node | None:
    """Walk back from a softmax to the product, noting factors and masks; None where there is anything else."""
    while isinstance(node, torch.fx.Node) and _alone(node):
        if node.target in _PRODUCTS:
            return node
        if node.target is aten.baddbmm.default and not node.kwargs and len(node.args) == 3:
            return node if _masks(grids, node.args[0], scores) else None
        step = _STEPS.get(node.target)
        node = step(grids, node, scores) if step is not None else None
    return None


def _masks(grids: Grids, mask: Any, scores: Scores) -> bool:
    """Note an added mask of zeros and infinities."""
    if not isinstance(mask, torch.fx.Node) or not grids.is_pair(mask):
        return False
    whole = grids.whole(mask)
    kept = whole * scores.factor > MASKED  # what is scaled after it was masked must stay masked
    if whole.dtype.is_complex or not bool((whole[kept] == 0).all()):
        return False
    scores.kept.append(kept)
    scores.masks.append(("added", mask))
    return True


def _added(grids: Grids, node: torch.fx.Node, scores: Scores) -> Any:
    left, right = node.args[:2]
    if node.kwargs:
        return None
    if _masks(grids, right, scores):
        return left
    return right if _masks(grids, left, scores) else None


def _scaled(grids: Grids, node: torch.fx.Node, scores: Scores) -> Any:
    number = node.args[1]
    number = number if isinstance(number, (int, float)) else _number(grids, number)
    if number is None or number <= 0:
        return None
    scores.factor *= number if node.target is aten.mul.Tensor else 1 / number
    return node.args[0]


def _filled(grids: Grids, node: torch.fx.Node, scores: Scores) -> Any:
    source, mask, fill = node.args
    return source if _overwrites(grids, "dropped", mask, fill, scores) else None


def _chosen(grids: Grids, node: torch.fx.Node, scores: Scores) -> Any:
    mask, source, fill = node.args
    return source if _overwrites(grids, "kept", mask, fill, scores) else None


def _overwrites(grids: Grids, kind: str, mask: Any, fill: Any, scores: Scores) -> bool:
    """Note a mask that puts a low number where it drops, or where it does not keep."""
    low = fill if isinstance(fill, (int, float)) else _number(grids, fill)
    if low is None or low * scores.factor > MASKED or not isinstance(mask, torch.fx.Node) or not grids.is_pair(mask):
        return False
    true = grids.whole(mask).bool()
    scores.kept.append(true if kind == "kept" else ~true)
    scores.masks.append((kind, mask))
    return True


def _number(grids: Grids, node: Any) -> float | None:
    """A constant of one element."""
    value = node.meta["val"] if isinstance(node, torch.fx.Node) and node in grids.free else None
    return float(grids.whole(node)) if isinstance(value, torch.Tensor) and value.numel() == 1 else None


def _unchanged(_grids: Grids, node: torch.fx.Node, _scores: Scores) -> Any:
    return node.args[0]


_STEPS: dict[Any, Any] = {
    aten.add.Tensor: _added,
    **dict.fromkeys([aten.mul.Tensor, aten.div.Tensor], _scaled),
    **dict.fromkeys([aten.masked_fill.Scalar, aten.masked_fill.Tensor], _filled),
    **dict.fromkeys([aten.where.self, aten.where.ScalarOther], _chosen),
    **dict.fromkeys(_SAME, _unchanged),
}
