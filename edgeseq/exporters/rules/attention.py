"""scaled_dot_product_attention: along time a cache of keys and values; along another axis, replayed whole."""

from __future__ import annotations

import math
from typing import Any

import torch

from edgeseq.exporters.alignment import align, ready
from edgeseq.exporters.facts import Static, Timed
from edgeseq.exporters.framewise import framewise
from edgeseq.exporters.known import MASKED
from edgeseq.exporters.rules.grids import at_probes, probes_of
from edgeseq.exporters.rules.pair_products import product
from edgeseq.exporters.rules.pairs import Operand, elementwise, softmax_of
from edgeseq.exporters.rules.schema import bound, result_shape, target
from edgeseq.exporters.rules.weighted import attended
from edgeseq.exporters.step import Step
from edgeseq.exporters.step_ops import cached_attention

aten = torch.ops.aten
_NOT_CAUSAL = (
    "every frame attends to frames that have not come yet: the attention is not causal",
    "pass is_causal=True",
)


def attention(step: Step, facts: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """``softmax(q k^T * scale) v`` over time, or over anything else."""
    named = bound(step, args, kwargs)
    if named["dropout_p"]:
        raise step.refuse_random()
    q, k, v = facts[:3]
    mask = facts[3] if len(facts) > 3 else None
    over_time = any(isinstance(fact, Timed) and fact.axis == len(fact.shape) - 2 for fact in (k, v))
    if not over_time:
        return _whole(step, facts, args, kwargs, named, mask)
    if _pools(q, k, v, facts["attn_mask"]) and not named["is_causal"]:
        scale = named["scale"] if named["scale"] is not None else 1 / math.sqrt(int(q.shape[-1]))
        mask = (named["attn_mask"], facts["attn_mask"]) if named["attn_mask"] is not None else None
        return attended(step, args[0], (args[1], k), (args[2], v), mask, float(scale))
    if not all(isinstance(fact, Timed) and fact.axis == len(fact.shape) - 2 for fact in (q, k, v)):
        raise step.refuse(*_NOT_CAUSAL)
    given = step.node.args[3] if len(step.node.args) > 3 else step.node.kwargs.get("attn_mask")  # type: ignore[union-attr]
    if not named["is_causal"] and given is None:
        raise step.refuse(*_NOT_CAUSAL)
    if any(fact.folded or fact.rowed or fact.length != q.length for fact in (q, k, v)):
        raise step.refuse("it attends over time folded with another axis", "give time an axis of its own")
    scale = named["scale"] if named["scale"] is not None else 1 / math.sqrt(int(q.shape[-1]))
    if given is None or is_causal_mask(step, given):
        return _causal(step, [(args[i], facts[i]) for i in range(3)], float(scale))
    return _masked(step, facts, args, named["attn_mask"], float(scale))


def _pools(q: Any, k: Any, v: Any, mask: Any) -> bool:
    """A query without time over keys and values of all time, masked by their own frames or not at all."""
    timed = [(fact, 2) for fact in (k, v)] + ([] if mask is None else [(mask, 1)])
    return isinstance(q, Static) and all(
        isinstance(fact, Timed)
        and not (fact.folded or fact.rowed)
        and fact.axis == len(fact.shape) - back
        and len(fact.shape) == len(q.shape)
        and (back == 1 or fact.shape[:-2] == q.shape[:-2])
        for fact, back in timed
    )


def is_causal_mask(step: Step, node: Any) -> bool:
    """True where a mask lets every query read its own and all earlier keys alike, and nothing else."""
    grids = step.captured.grids
    if not isinstance(node, torch.fx.Node) or not grids.is_pair(node):
        return False
    if node not in grids.causal:  # found out while planning, read while the step is traced
        grids.causal[node] = _keeps_all_before(step, node)
    return grids.causal[node]


def _keeps_all_before(step: Step, node: torch.fx.Node) -> bool:
    mask, numbers = at_probes(step, node), probes_of(step, step.captured.shape(node.meta["val"])[-1])
    allowed = numbers[:, None] >= numbers[None, :]
    if mask.dtype is torch.bool:
        return bool((mask == allowed).all())
    return bool((mask[..., allowed] == 0).all() and (mask[..., ~allowed] <= MASKED).all())


def _masked(step: Step, facts: Any, args: Any, mask: Any, scale: float) -> tuple[Any, Any]:
    """Attention as it is written by hand: scores, a mask, weights, values."""
    assert step.node is not None
    nodes = step.node.args
    q, k, v = (Operand(args[i], facts[i], nodes[i]) for i in range(3))  # type: ignore[arg-type]
    batch = "abcd"[: len(facts[0].shape) - 2]
    heads = [int(fact.shape[-3]) if len(fact.shape) > 3 else 1 for fact in facts[:2]]
    groups = heads[0] // heads[1]
    shape = (*facts[0].shape[:-1], facts[1].shape[-2])
    labels = f"{batch}xd", f"{batch}zd", f"{batch}xz"
    score = lambda x, y: (x * scale) @ _grouped(y, groups).transpose(-2, -1)  # noqa: E731
    scores, fact = product(step, labels, [q, k], shape, score, past="z")
    given = step.node.args[3] if len(step.node.args) > 3 else step.node.kwargs["attn_mask"]
    mask_fact = facts["attn_mask"]
    if given.meta["val"].dtype is torch.bool:  # type: ignore[union-attr]
        low = torch.full((), float("-inf"), dtype=scores.dtype, device=scores.device)
        op = lambda allowed, x: torch.where(allowed, x, low.to(x.dtype))  # noqa: E731
    else:
        op = torch.add
    scores, fact = elementwise(step, op, [mask_fact, fact], (mask, scores), [given, None], shape)
    weights, fact = softmax_of(step, scores, fact, len(shape) - 1, lambda x: x.softmax(-1))
    labels = f"{batch}xz", f"{batch}zd", f"{batch}xd"
    weighed = lambda w, y: w @ _grouped(y, groups)  # noqa: E731
    return product(step, labels, [Operand(weights, fact, None), v], result_shape(step), weighed)


def _grouped(value: torch.Tensor, groups: int) -> torch.Tensor:
    """Each key and value head once for every query head that it serves."""
    if groups == 1:
        return value
    served = [head // groups for head in range(value.shape[-3] * groups)]
    return value.index_select(value.dim() - 3, torch.tensor(served, device=value.device))


def _whole(step: Step, facts: Any, args: Any, kwargs: Any, named: dict[str, Any], mask: Any) -> tuple[Any, Any]:
    """Keys without time (conditioning), or time among the batch axes: every frame is attended to alone."""
    timed = next(fact for fact in facts[:3] if isinstance(fact, Timed))
    if isinstance(mask, Timed) or (timed.axis >= len(timed.shape) - 2 and named["is_causal"]):
        raise step.refuse(*_NOT_CAUSAL)
    if timed.axis == len(timed.shape) - 1:
        raise step.refuse("time is its feature axis", "transpose it to the last axis but one")
    op = target(step)
    rest = args[3:]
    return framewise(
        step,
        facts[:3],
        args[:3],
        place=timed.place,
        op=lambda _, *operands: op(*operands, *rest, **kwargs),
    )


def _causal(step: Step, operands: list[tuple[torch.Tensor, Timed]], scale: float) -> tuple[Any, Any]:
    operands = align(step, operands)
    readied = [ready(step, value, fact) for value, fact in operands]
    fact, start = readied[0][1], readied[0][2]
    width = max(int(operand.shape[-1]) for _, operand, _ in readied)
    form = _form(step, fact)
    width = -(-width // 8) * 8 if form == "gqa" else width
    q, k, v = (_four_axes(value, width) for value, _, _ in readied)
    kv_fact = readied[1][1]
    rows = kv_fact.shape[0] if len(kv_fact.shape) > 2 else 1
    heads = int(kv_fact.shape[1]) if len(kv_fact.shape) > 3 else 1
    caches = [
        step.state(
            name,
            kind="kv",
            shape=(rows, heads, "capacity", width),
            dtype=k.dtype,
            start=start,
            in_place=True,
            ratio=fact.ratio,
        )
        for name in ("keys", "values")
    ]
    last, total = _places(step, fact, start, rows, q)
    out, caches[0].next, caches[1].next = cached_attention(
        q, k, v, caches[0].value, caches[1].value, last, total, scale, form
    )
    shape = result_shape(step)
    size = int(shape[-1])
    out = out if size == width else out.narrow(-1, 0, size)
    out = out if len(shape) == 4 else out.squeeze(1)
    return out, fact.with_(shape=shape, position=None, uniform=False, reads=None)


def _form(step: Step, fact: Timed) -> str:
    """The form of the cache; the fused one takes single frames when several rows are batched.

    Heads that share an axis with the batch are such rows even in a batch of one.
    """
    rows = fact.shape[0] if len(fact.shape) > 2 else 1
    if step.ops == "ort" and step.multiple * fact.ratio == 1 and rows in (1, step.captured.batch):
        step.plan.max_batched = step.multiple
        return "gqa"
    return "plain"


def _four_axes(value: torch.Tensor, width: int) -> torch.Tensor:
    value = value if value.dim() == 4 else value.unsqueeze(1)
    missing = width - value.shape[-1]
    return torch.nn.functional.pad(value, (0, missing)) if missing else value


def _places(step: Step, fact: Timed, start: int, rows: Any, q: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The place of each row's newest frame, and the most frames any row holds, both int32; shared between layers."""
    own = rows == step.captured.batch
    key = ("newest", fact.ratio, start, own)
    last = step.once(key, lambda: step.newest(fact.ratio, q.shape[2], start).to(torch.int32))
    total = step.once((*key, "total"), lambda: last.amax(0) + 1)
    return (last if own else last[:1].expand(q.shape[0])), total


RULES = {aten.scaled_dot_product_attention.default: attention}
PAIRS = RULES
